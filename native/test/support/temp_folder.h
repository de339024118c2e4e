// Files that a test writes byte by byte, in a folder that goes with it.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

namespace overfill::test {

// A folder that is removed with this object.
struct temp_folder {
    temp_folder() {
        std::random_device device;
        path = std::filesystem::temp_directory_path() / ("overfill-test-" + std::to_string(device()));
        std::filesystem::create_directory(path);
    }
    ~temp_folder() {
        std::error_code error;
        std::filesystem::remove_all(path, error);
    }
    std::string file(const char * name) const { return (path / name).string(); }
    size_t n_files() const {
        return (size_t) std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator());
    }
    std::filesystem::path path;
};

inline std::string bytes_of(const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

inline void put_bytes(const std::string & path, const std::string & bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), (std::streamsize) bytes.size());
}

}  // namespace overfill::test
