// What reads bytes that anybody may have written. Each fuzz_*.cpp defines the two functions for one reader, and becomes
// two programs: one that reads its seeds, its corpus and a few mutants of them (replay.cpp; a ctest), and, with clang,
// one that libFuzzer guides by coverage (libfuzzer.cpp; `npm run fuzz`).
#pragma once

#include "devices.h"
#include "failure.h"
#include "joined_thread.h"
#include "llama_log.h"
#include "temp_folder.h"

#include <llama.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace overfill::test {

// What a process begins with: llama.cpp, as the addon has it.
class fuzz_process {
  public:
    fuzz_process() {
        install_llama_log();
        llama_backend_init();
        const char * backends = std::getenv("OVERFILL_TEST_BACKENDS");
        load_cpu_backend(backends ? backends : "");
    }

  private:
    const own_work scope_;
};

// Ends the process where something is wrong.
void fuzz_one(const std::string & bytes);

// Sound inputs, from which the others are made.
std::vector<std::string> fuzz_seeds();

// Runs what reads an input. It may be refused, by a code that tells of the input; anything else is a fault.
template <class Read> void read_or_refuse(const Read & read) {
    try {
        read();
    } catch (...) {
        const failure error = current_failure();
        if (error.code() != error_code::internal && error.code() != error_code::out_of_memory) return;
        std::fprintf(stderr, "%s: %s\n", error_code_name(error.code()), error.what());
        std::abort();
    }
}

// Ends the process unless it holds.
inline void demand(bool holds, const char * what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::abort();
}

// A file for the input, in a folder that is there as long as the process.
inline const temp_folder & fuzz_folder() {
    static const temp_folder folder;
    return folder;
}
inline std::string fuzz_file(const std::string & bytes) {
    static const std::string path = fuzz_folder().file("input");
    put_bytes(path, bytes);
    return path;
}

}  // namespace overfill::test
