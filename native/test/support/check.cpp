#include "check.h"

#include "devices.h"
#include "joined_thread.h"
#include "llama_log.h"

#include <llama.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace overfill::test {

namespace {

struct test_case {
    const char * title;
    void (*body)();
};

std::vector<test_case> & cases() {
    static std::vector<test_case> all;
    return all;
}

int n_checks = 0, n_failed = 0;

}  // namespace

bool add_case(const char * title, void (*body)()) {
    cases().push_back({ title, body });
    return true;
}

void report(bool ok, const char * file, int line, const std::string & what) {
    n_checks++;
    if (ok) return;
    n_failed++;
    std::printf("  FAILED %s:%d: %s\n", file, line, what.c_str());
}

std::string check_failure(error_code expected, const std::function<void()> & body, const char * file, int line) {
    try {
        body();
    } catch (const failure & error) {
        check_equal(std::string(error_code_name(error.code())), std::string(error_code_name(expected)), file, line,
                    error.what());
        return error.what();
    }
    report(false, file, line, std::string("no failure, expected ") + error_code_name(expected));
    return "";
}

}  // namespace overfill::test

int main() {
    using namespace overfill::test;
    overfill::install_llama_log();
    const overfill::own_work scope;
    llama_backend_init();
    const char * backends = std::getenv("OVERFILL_TEST_BACKENDS");
    overfill::load_cpu_backend(backends ? backends : "");
    // The library of a GPU back end, for the tests that can use one.
    if (const char * gpu = std::getenv("OVERFILL_TEST_GPU")) overfill::load_gpu_backend(gpu);
    for (const auto & item : cases()) {
        std::printf("%s\n", item.title);
        std::fflush(stdout);
        try {
            item.body();
        } catch (const std::exception & error) {
            report(false, __FILE__, __LINE__, std::string("exception: ") + error.what());
        }
    }
    std::printf("%d checks, %d failed\n", n_checks, n_failed);
    return n_failed == 0 && n_checks > 0 ? 0 : 1;
}
