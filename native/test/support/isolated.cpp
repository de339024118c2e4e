#include "isolated.h"

#if !defined(_WIN32)

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace overfill::test {

namespace {

constexpr int thrown = 2;  // the status of a child whose piece threw

struct running_piece {
    size_t index;
    int pipe;
};

// In the child: what the piece returns or throws goes into the pipe, which holds all of a short text.
[[noreturn]] void run_child(const std::function<std::string(size_t)> & piece, size_t index, int pipe,
                            unsigned n_seconds) {
    alarm(n_seconds);
    std::string text;
    int status = 0;
    try {
        text = piece(index);
    } catch (const std::exception & error) {
        text = error.what();
        status = thrown;
    }
    const bool written = write(pipe, text.data(), text.size()) == (ssize_t) text.size();
    std::fflush(nullptr);
    _exit(written ? status : 1);
}

std::string ending_of(int status, const std::string & text) {
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGALRM ? "did not end in time"
                                           : std::string("ended by a signal: ") + strsignal(WTERMSIG(status));
    if (WEXITSTATUS(status) == thrown) return "threw: " + text;
    return WEXITSTATUS(status) == 0 ? "" : "ended with status " + std::to_string(WEXITSTATUS(status));
}

std::string read_all(int pipe) {
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = read(pipe, buffer, sizeof(buffer))) > 0;) text.append(buffer, (size_t) n);
    return text;
}

}  // namespace

std::vector<isolated_result> run_isolated(size_t n, const std::function<std::string(size_t)> & piece,
                                          unsigned n_seconds) {
    std::vector<isolated_result> results(n);
    std::map<pid_t, running_piece> running;
    const size_t n_at_once = std::max(1u, std::thread::hardware_concurrency());
    for (size_t next = 0; next < n || !running.empty();) {
        if (next < n && running.size() < n_at_once) {
            int ends[2];
            std::fflush(nullptr);
            if (pipe(ends) != 0) throw std::runtime_error("no pipe can be made");
            const pid_t child = fork();
            if (child < 0) throw std::runtime_error("no process can be made");
            if (child == 0) run_child(piece, next, ends[1], n_seconds);
            close(ends[1]);
            running[child] = { next++, ends[0] };
            continue;
        }
        int status = 0;
        const auto ended = running.find(wait(&status));
        if (ended == running.end()) continue;
        const auto [index, pipe] = ended->second;
        const std::string text = read_all(pipe);
        results[index] = { text, ending_of(status, text) };
        close(pipe);
        running.erase(ended);
    }
    return results;
}

}  // namespace overfill::test

#else

namespace overfill::test {

std::vector<isolated_result> run_isolated(size_t n, const std::function<std::string(size_t)> & piece, unsigned) {
    std::vector<isolated_result> results;
    for (size_t i = 0; i < n; i++) results.push_back({ piece(i), "" });
    return results;
}

}  // namespace overfill::test

#endif
