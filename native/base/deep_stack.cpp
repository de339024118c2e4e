#include "deep_stack.h"

#include "failure.h"

#include <exception>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <process.h>
#include <windows.h>
#else
#include <pthread.h>
#endif

namespace overfill {

namespace {

struct call {
    const std::function<void()> & work;
    std::exception_ptr error;

    void run() noexcept {
        try {
            work();
        } catch (...) {
            error = std::current_exception();
        }
    }
};

}  // namespace

[[noreturn]] static void refuse(size_t n_bytes) {
    throw failure(error_code::out_of_memory,
                  "the system could not start a thread with a stack of " + std::to_string(n_bytes >> 20) + " MiB");
}

#ifdef _WIN32

static unsigned __stdcall thread_main(void * argument) {
    static_cast<call *>(argument)->run();
    return 0;
}

static void run_thread(size_t n_bytes, call & job) {
    const uintptr_t thread =
        _beginthreadex(nullptr, (unsigned) n_bytes, thread_main, &job, STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr);
    if (thread == 0) refuse(n_bytes);
    const HANDLE handle = reinterpret_cast<HANDLE>(thread);
    WaitForSingleObject(handle, INFINITE);
    CloseHandle(handle);
}

#else

static void * thread_main(void * argument) {
    static_cast<call *>(argument)->run();
    return nullptr;
}

static void run_thread(size_t n_bytes, call & job) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) refuse(n_bytes);
    pthread_t thread;
    const bool runs = pthread_attr_setstacksize(&attributes, n_bytes) == 0 &&
                      pthread_create(&thread, &attributes, thread_main, &job) == 0;
    pthread_attr_destroy(&attributes);
    if (!runs) refuse(n_bytes);
    pthread_join(thread, nullptr);
}

#endif

void with_stack(size_t n_bytes, const std::function<void()> & work) {
    // Stacks are made of whole pages, of 64 KiB at most.
    constexpr size_t page = (size_t) 1 << 16;
    call job{ work, nullptr };
    run_thread((n_bytes + page - 1) / page * page, job);
    if (job.error) std::rethrow_exception(job.error);
}

}  // namespace overfill
