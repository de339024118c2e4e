// Reads a target's seeds, a few mutants of each, and all files of its corpus:
//
//   replay_NAME [CORPUS FOLDER]
//   replay_NAME --seeds FOLDER     writes the seeds there, for libFuzzer
//
// Without clang this is all the fuzzing there is; and what libFuzzer found once is tried with every build.
#include "fuzz_target.h"

#include <algorithm>
#include <filesystem>
#include <random>

namespace fs = std::filesystem;
using namespace overfill::test;

namespace {

// Printed first, so that an end of the process tells where it came.
void try_input(const std::string & name, const std::string & bytes) {
    std::printf("%s\n", name.c_str());
    std::fflush(stdout);
    fuzz_one(bytes);
}

std::string damaged(std::string bytes, std::mt19937 & random) {
    static const int odd[] = { 0, 1, 0x7f, 0x80, 0xff };
    for (uint32_t n = 1 + random() % 3; n > 0 && !bytes.empty(); n--) {
        const size_t at = random() % bytes.size();
        switch (random() % 4) {
        case 0: bytes[at] = (char) odd[random() % 5]; break;
        case 1: bytes[at] ^= (char) (1 << random() % 8); break;
        case 2: bytes.erase(at, 1 + random() % 16); break;
        default: bytes.insert(at, bytes.substr(random() % bytes.size(), 1 + random() % 16));
        }
    }
    return bytes;
}

void write_seeds(const fs::path & folder) {
    fs::create_directories(folder);
    const std::vector<std::string> seeds = fuzz_seeds();
    for (size_t i = 0; i < seeds.size(); i++) put_bytes((folder / ("seed-" + std::to_string(i))).string(), seeds[i]);
}

void replay(const std::string & corpus) {
    std::mt19937 random(1);
    const std::vector<std::string> seeds = fuzz_seeds();
    for (size_t i = 0; i < seeds.size(); i++) {
        try_input("seed " + std::to_string(i), seeds[i]);
        for (int mutant = 0; mutant < 100; mutant++)
            try_input("seed " + std::to_string(i) + ", mutant " + std::to_string(mutant), damaged(seeds[i], random));
    }
    if (!fs::is_directory(corpus)) return;
    std::vector<fs::path> files;
    for (const auto & entry : fs::directory_iterator(corpus)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path & file : files) try_input(file.filename().string(), bytes_of(file.string()));
}

}  // namespace

int main(int argc, char ** argv) {
    const fuzz_process first;
    if (argc == 3 && std::string(argv[1]) == "--seeds")
        write_seeds(argv[2]);
    else
        replay(argc > 1 ? argv[1] : "");
    return 0;
}
