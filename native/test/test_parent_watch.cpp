// A process that watches its parent ends with it, even where none of its own threads gets anywhere. Tried where there
// is fork().
#include "check.h"
#include "parent_watch.h"

#include <cstdint>

#ifndef _WIN32
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

using namespace overfill;

// Two ends of a pipe; who holds the second one is alive as long as the first one has not ended.
struct lifeline {
    int reader = -1, writer = -1;

    lifeline() {
        int ends[2];
        CHECK(pipe(ends) == 0);
        reader = ends[0];
        writer = ends[1];
    }

    bool says_something() const {
        char byte = 0;
        return read(reader, &byte, 1) == 1;
    }
};

[[noreturn]] static void spin_under(int64_t parent, const lifeline & line) {
    // A test that waits for ever is ended.
    alarm(60);
    close(line.reader);
    end_with_parent(parent);
    CHECK(write(line.writer, "r", 1) == 1);
    // An orphan from here on, which does nothing else.
    for (volatile bool spins = true; spins;) {
    }
    _exit(0);
}

TEST("a process that spins ends when its parent has ended") {
    const lifeline line;
    const lifeline parent_line;
    const pid_t parent = fork();
    CHECK(parent >= 0);
    if (parent == 0) {
        const int64_t self = getpid();
        if (fork() == 0) {
            close(parent_line.writer);
            spin_under(self, line);
        }
        close(line.writer);
        close(parent_line.writer);
        // Until the test says so.
        parent_line.says_something();
        _exit(0);
    }
    close(line.writer);
    CHECK(line.says_something());
    CHECK(write(parent_line.writer, "e", 1) == 1);
    CHECK(waitpid(parent, nullptr, 0) == parent);
    CHECK(!line.says_something());
}

TEST("one that has another parent already ends at once") {
    const lifeline line;
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) spin_under(1, line);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
#endif
