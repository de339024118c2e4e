/*
 * A system that fails on demand, for LD_PRELOAD on Linux: memory that is not there, files that cannot be written,
 * threads that do not start, a clock that jumps, signals that interrupt calls.
 *
 * The plan is in a file that OVERFILL_FAULTS names, mapped here and written by whoever makes the plan (plan.ts has the
 * same fields in the same order). Only calls count that the addon makes, or the addon and llama.cpp: what matters is
 * the first caller that is neither of the C and C++ libraries. Node's own calls always succeed: V8 ends its process
 * when memory is missing, and that is not what is tested here.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum kind {
    none,
    allocation,
    write_call,
    rename_call,
    sync_call,
    read_call,
    open_call,
    thread_start,
    disk_full,
    clock_jump,
    interruption
};

struct plan {
    volatile uint64_t kind;        /* none: nothing fails */
    volatile uint64_t nth;         /* the call that fails, from 1; for disk_full, the byte */
    volatile uint64_t least_bytes; /* of an allocation that counts */
    volatile uint64_t with_llama;  /* whether llama.cpp's calls count as well */
    volatile uint64_t sticky;      /* whether all calls from the nth on fail */
    volatile uint64_t error;       /* errno */
    volatile int64_t jump_ns;
    volatile uint64_t n_calls; /* answers: calls, or bytes, that counted; and how many failed */
    volatile uint64_t n_failed;
};

static struct plan * plan;
static __thread int inside;
static int tells; /* OVERFILL_FAULTS_TELL: where calls fail, on stderr */

/* --- the end --- */

static void tell_frames(void) {
    void * frames[40];
    backtrace_symbols_fd(frames, backtrace(frames, 40), STDERR_FILENO);
}

/* Tells where, for the report, and dies as it would have. */
static void tell_where(int number) {
    plan->kind = none;
    inside = 1;
    tell_frames();
    signal(number, SIG_DFL);
    raise(number);
}

static void watch_ends(void) {
    static const int deadly[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) signal(deadly[i], tell_where);
}

/* --- who calls --- */

struct range {
    uintptr_t from, to;
    int whose;
};
enum { of_others, of_libraries, of_addon, of_llama };
static struct range ranges[256];
static volatile int n_ranges;
static pthread_mutex_t ranges_mutex = PTHREAD_MUTEX_INITIALIZER;

static int whose_file(const char * path) {
    const char * slash = strrchr(path, '/');
    const char * name = slash ? slash + 1 : path;
    if (strstr(name, "overfill") && strstr(name, ".node")) return of_addon;
    if (strncmp(name, "libllama", 8) == 0 || strncmp(name, "libggml", 7) == 0) return of_llama;
    static const char * const plain[] = { "libc.so", "libstdc++", "libgcc_s", "libm.so", "libpthread", "faults-shim" };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strncmp(name, plain[i], strlen(plain[i])) == 0) return of_libraries;
    return of_others;
}

static int add_ranges(struct dl_phdr_info * info, size_t size, void * data) {
    (void) size;
    int * n = data;
    const int whose = info->dlpi_name && *info->dlpi_name ? whose_file(info->dlpi_name) : of_others;
    for (int i = 0; i < info->dlpi_phnum && *n < 256 && whose != of_others; i++) {
        const ElfW(Phdr) * part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        const uintptr_t from = info->dlpi_addr + part->p_vaddr;
        ranges[(*n)++] = (struct range){ from, from + part->p_memsz, whose };
    }
    return 0;
}

/* The addon comes after this library: looked up when a plan is first at work, and again while the addon is not there.
 */
static void find_ranges(void) {
    pthread_mutex_lock(&ranges_mutex);
    if (n_ranges == 0) {
        int n = 0;
        dl_iterate_phdr(add_ranges, &n);
        int has_addon = 0;
        for (int i = 0; i < n; i++) has_addon |= ranges[i].whose == of_addon;
        if (has_addon) {
            watch_ends(); /* not before: Node has handlers of its own */
            n_ranges = n;
        }
    }
    pthread_mutex_unlock(&ranges_mutex);
}

static int whose_address(uintptr_t address) {
    for (int i = 0; i < n_ranges; i++)
        if (address >= ranges[i].from && address < ranges[i].to) return ranges[i].whose;
    return of_others;
}

static int is_ours(void) {
    if (n_ranges == 0) find_ranges();
    if (n_ranges == 0) return 0;
    void * frames[24];
    const int n = backtrace(frames, 24);
    for (int i = 1; i < n; i++) {
        const int whose = whose_address((uintptr_t) frames[i]);
        if (whose == of_libraries) continue;
        return whose == of_addon || (whose == of_llama && plan->with_llama);
    }
    return 0;
}

/* --- whether this call fails --- */

static int fails(enum kind kind, uint64_t n_bytes) {
    if (!plan || plan->kind != (uint64_t) kind || inside) return 0;
    if (kind == allocation && n_bytes < plan->least_bytes) return 0;
    inside = 1;
    int out = 0;
    if (is_ours()) {
        const uint64_t n = __atomic_add_fetch(&plan->n_calls, 1, __ATOMIC_SEQ_CST);
        out = n == plan->nth || (plan->sticky && n > plan->nth);
        if (out) __atomic_add_fetch(&plan->n_failed, 1, __ATOMIC_SEQ_CST);
        if (out && tells) tell_frames();
    }
    inside = 0;
    if (out) errno = (int) plan->error;
    return out;
}

/* Bytes that still fit on the disk, of so many; all of them without such a plan. */
static uint64_t that_fit(uint64_t n_bytes) {
    if (!plan || plan->kind != disk_full || inside) return n_bytes;
    inside = 1;
    uint64_t fit = n_bytes;
    if (is_ours()) {
        const uint64_t end = __atomic_add_fetch(&plan->n_calls, n_bytes, __ATOMIC_SEQ_CST), begin = end - n_bytes;
        if (end >= plan->nth) {
            fit = begin < plan->nth ? plan->nth - begin - 1 : 0;
            __atomic_add_fetch(&plan->n_failed, 1, __ATOMIC_SEQ_CST);
        }
    }
    inside = 0;
    return fit;
}

#define REAL(name)                                                                                                     \
    static __typeof__(name) * real;                                                                                    \
    if (!real) real = (__typeof__(name) *) dlsym(RTLD_NEXT, #name)

/* --- memory --- */

extern void * __libc_malloc(size_t);
extern void * __libc_calloc(size_t, size_t);
extern void * __libc_realloc(void *, size_t);
extern void * __libc_memalign(size_t, size_t);

void * malloc(size_t n) { return fails(allocation, n) ? NULL : __libc_malloc(n); }
void * calloc(size_t n, size_t size) { return fails(allocation, n * size) ? NULL : __libc_calloc(n, size); }
void * realloc(void * at, size_t n) { return n > 0 && fails(allocation, n) ? NULL : __libc_realloc(at, n); }
void * aligned_alloc(size_t to, size_t n) { return fails(allocation, n) ? NULL : __libc_memalign(to, n); }
int posix_memalign(void ** out, size_t to, size_t n) {
    if (fails(allocation, n)) return ENOMEM;
    void * at = __libc_memalign(to, n);
    if (!at) return ENOMEM;
    *out = at;
    return 0;
}
void * mmap(void * at, size_t n, int protection, int flags, int file, off_t offset) {
    if (fails(allocation, n)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *) syscall(SYS_mmap, at, n, protection, flags, file, offset);
}
void * mmap64(void * at, size_t n, int protection, int flags, int file, off64_t offset) {
    return mmap(at, n, protection, flags, file, offset);
}

/* --- files --- */

size_t fwrite(const void * data, size_t size, size_t n, FILE * file) {
    REAL(fwrite);
    if (fails(write_call, size * n)) return 0;
    const uint64_t fit = that_fit((uint64_t) size * n);
    if (fit == (uint64_t) size * n) return real(data, size, n, file);
    if (fit > 0) real(data, 1, fit, file);
    errno = ENOSPC;
    return size > 0 ? fit / size : 0;
}
ssize_t write(int file, const void * data, size_t n) {
    REAL(write);
    if (fails(write_call, n)) return -1;
    const uint64_t fit = that_fit(n);
    if (fit == 0 && n > 0) {
        errno = ENOSPC;
        return -1;
    }
    return real(file, data, fit);
}
int fflush(FILE * file) {
    REAL(fflush);
    return fails(write_call, 0) ? EOF : real(file);
}
int fclose(FILE * file) {
    REAL(fclose);
    const int failed = fails(write_call, 0), error = errno;
    const int out = real(file);
    if (failed) errno = error;
    return failed ? EOF : out;
}
int fseek(FILE * file, long offset, int whence) {
    REAL(fseek);
    return fails(write_call, 0) ? -1 : real(file, offset, whence);
}
int fsync(int file) {
    REAL(fsync);
    return fails(sync_call, 0) ? -1 : real(file);
}
int rename(const char * from, const char * to) {
    REAL(rename);
    return fails(rename_call, 0) ? -1 : real(from, to);
}
int link(const char * from, const char * to) {
    REAL(link);
    return fails(rename_call, 0) ? -1 : real(from, to);
}
int mkdir(const char * path, mode_t mode) {
    REAL(mkdir);
    return fails(open_call, 0) ? -1 : real(path, mode);
}
int ftruncate(int file, off_t size) {
    REAL(ftruncate);
    return fails(write_call, 0) ? -1 : real(file, size);
}
int truncate(const char * path, off_t size) {
    REAL(truncate);
    return fails(write_call, 0) ? -1 : real(path, size);
}
FILE * fopen(const char * path, const char * mode) {
    REAL(fopen);
    return fails(open_call, 0) ? NULL : real(path, mode);
}
FILE * fopen64(const char * path, const char * mode) {
    REAL(fopen64);
    return fails(open_call, 0) ? NULL : real(path, mode);
}
int open(const char * path, int flags, ...) {
    REAL(open);
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return fails(open_call, 0) ? -1 : real(path, flags, mode);
}
DIR * opendir(const char * path) {
    REAL(opendir);
    return fails(open_call, 0) ? NULL : real(path);
}
int flock(int file, int how) {
    REAL(flock);
    return fails(open_call, 0) ? -1 : real(file, how);
}
size_t fread(void * data, size_t size, size_t n, FILE * file) {
    REAL(fread);
    return fails(read_call, size * n) ? 0 : real(data, size, n, file);
}
ssize_t pread(int file, void * data, size_t n, off_t offset) {
    REAL(pread);
    return fails(read_call, n) ? -1 : real(file, data, n, offset);
}
ssize_t read(int file, void * data, size_t n) {
    REAL(read);
    return fails(read_call, n) ? -1 : real(file, data, n);
}

/* --- threads and time --- */

int pthread_create(pthread_t * thread, const pthread_attr_t * attributes, void * (*run)(void *), void * data) {
    REAL(pthread_create);
    return fails(thread_start, 0) ? EAGAIN : real(thread, attributes, run, data);
}

int clock_gettime(clockid_t clock, struct timespec * out) {
    REAL(clock_gettime);
    const int result = real(clock, out);
    if (result != 0 || !plan || plan->kind != clock_jump) return result;
    /* Everybody's clock, as when a machine is asleep or set anew: there and back again. */
    const uint64_t n = __atomic_add_fetch(&plan->n_calls, 1, __ATOMIC_SEQ_CST);
    if (n < plan->nth || (clock == CLOCK_MONOTONIC && plan->jump_ns < 0)) return result;
    if (n == plan->nth) __atomic_add_fetch(&plan->n_failed, 1, __ATOMIC_SEQ_CST);
    const int64_t ns = out->tv_nsec + plan->jump_ns % 1000000000;
    out->tv_sec += plan->jump_ns / 1000000000 + (ns < 0 ? -1 : ns >= 1000000000 ? 1 : 0);
    out->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
    return result;
}

/* --- signals --- */

static void do_nothing(int number) { (void) number; }

/* Sends every other thread a signal whose handler does nothing, again and again: slow calls then end with EINTR. */
static void * interrupt(void * unused) {
    (void) unused;
    const pid_t process = getpid(), self = (pid_t) syscall(SYS_gettid);
    const struct timespec pause = { 0, 200000 };
    while (1) {
        nanosleep(&pause, NULL);
        if (plan->kind != interruption) continue;
        char buffer[4096];
        const int folder = (int) syscall(SYS_open, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0) continue;
        for (long n; (n = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0;) {
            for (long at = 0; at < n;) {
                const uint16_t length = *(uint16_t *) (buffer + at + 16);
                const pid_t thread = (pid_t) atoi(buffer + at + 19);
                at += length;
                if (thread <= 0 || thread == self) continue;
                if (syscall(SYS_tgkill, process, thread, SIGRTMIN + 5) == 0) {
                    __atomic_add_fetch(&plan->n_calls, 1, __ATOMIC_SEQ_CST);
                    __atomic_add_fetch(&plan->n_failed, 1, __ATOMIC_SEQ_CST);
                }
            }
        }
        syscall(SYS_close, folder);
    }
    return NULL;
}

__attribute__((constructor)) static void begin(void) {
    const char * path = getenv("OVERFILL_FAULTS");
    if (!path) return;
    tells = getenv("OVERFILL_FAULTS_TELL") != NULL;
    const int file = (int) syscall(SYS_open, path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void * at = (void *) syscall(SYS_mmap, NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (at == MAP_FAILED) return;
    void * frames[4];
    backtrace(frames, 4); /* loads what it needs now */
    struct sigaction action = { 0 };
    action.sa_handler = do_nothing;
    sigaction(SIGRTMIN + 5, &action, NULL);
    plan = at;
    pthread_t thread;
    if (pthread_create(&thread, NULL, interrupt, NULL) == 0) pthread_detach(thread);
}
