// The folder that holds blocks of the prefix cache as files: their names, and which of them go when it is full. Several
// processes may use one folder at a time: a file is only ever renamed into place or removed, and one that has gone
// meanwhile is no error.
//
// A file is named by what it follows and by itself, PARENT-KEY.EXTENSION with 32 hexadecimal digits each, so that the
// tree of blocks can be told without opening one of them.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

namespace overfill {

// Of a block: a hash of all that its rows depend on.
struct prefix_key {
    std::array<uint64_t, 2> of{};
    bool operator<(const prefix_key & o) const { return of < o.of; }
    bool operator==(const prefix_key & o) const { return of == o.of; }
};

// Where a block stands in its tree.
struct prefix_place {
    prefix_key before, key;
};

enum class prefix_part { rows, state };

class prefix_folder {
  public:
    // Makes the folder where it is not there, for its user alone. Throws ERR_FILE_WRITE_FAILED if nothing can be
    // written there; leaves nothing in it.
    explicit prefix_folder(const std::string & path);

    std::filesystem::path file_of(const prefix_place & place, prefix_part part) const;

    struct total {
        uint64_t n_bytes = 0, n_blocks = 0;
    };
    // Removes blocks until the rest has at most so many bytes: the longest unused first, where a block is used whenever
    // one that follows it is. Gives what is left.
    total make_room(uint64_t most_bytes) const;

    // It was used now.
    static void touch(const std::filesystem::path & file);

  private:
    std::filesystem::path path_;
};

}  // namespace overfill
