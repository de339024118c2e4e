// A session in a file of its own:
//
//   header, 64 bytes
//     0   24 bytes  "overfill session v1\n" and zeros
//     24  u64       bytes of the description, which follows the header
//     32  u64       bytes of the values, which follow the description
//     40  u64       XXH3 of the description
//     48  u64       0
//     56  u64       XXH3 of the header's first 56 bytes
//   description     a multiple of 64 bytes, zeros behind its end: who wrote it, a note of the caller's, the models, the
//                   session (session_image.h), and of each cache the layout, the ledgers, the cells and its blocks
//   values          the blocks, in the order of the description: K, V and states as the caches have them, or in q8_0
//                   (state_compression.h), each filled up with zeros to a multiple of 64 bytes. Of each the description
//                   has its size, the XXH3 of it with its zeros and, where it is in q8_0, the types that it had
//
// Little end first. A text is a u64 with its length and that many bytes, a list a u64 and that many values. No byte of
// the file is without a checksum; a length is believed only after it was compared with the file's size.
#pragma once

#include "failure.h"
#include "pair_identity.h"
#include "sequence_state.h"
#include "session_image.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

struct saved_session {
    session_image image;
    std::vector<state_layout> layouts;  // of the image's caches
    // Of each the values that are to be written in q8_0; empty: as they are.
    std::vector<std::vector<value_run>> compressed;
    std::vector<side_identity> models;  // by pair_side
    std::string note;                   // the caller's
};

// Writes a session's file. It is there whole or not at all, and one of that name stays until then. All throw
// ERR_FILE_WRITE_FAILED; error_code::aborted when `stopped` says so. Without a `finish`, nothing stays behind.
class saved_session_writer {
  public:
    using stop_check = std::function<bool()>;

    saved_session_writer(const std::string & path, const saved_session & saved, const stop_check & stopped);
    ~saved_session_writer();

    // The values that are not in the image (cached_sequence::image::values), cache by cache.
    void put(const uint8_t * values, size_t n, const stop_check & stopped);
    void finish(const stop_check & stopped);

  private:
    class contents;
    std::unique_ptr<contents> contents_;
};

// When the values' checksums are looked at. When they are `used`: those that the system has in memory anyway, so that
// nobody waits for the disk then.
enum class value_check { now, when_used };

// Checks all other checksums, and that everything is of its kind; whether it fits a pair is another question
// (fit_to_pair). The values stay in the file, which is open as long. Throws ERR_FILE_READ_FAILED;
// ERR_SAVED_SESSION_INVALID; error_code::aborted.
saved_session read_saved_session(const std::string & path, const std::function<bool()> & stopped,
                                 value_check when = value_check::now);

// Makes it one of the pair's: the models are found by their names, and numbered as the pair does. Throws
// ERR_SAVED_SESSION_MISMATCH with all that differs, ERR_SAVED_SESSION_INVALID. `path` for messages; `sequence` holds
// nothing. Engine thread.
void fit_to_pair(saved_session & saved, const std::string & path, const pair & models,
                 const std::vector<side_identity> & identity, llama_seq_id sequence);

// ERR_SAVED_SESSION_INVALID.
failure saved_session_failure(const std::string & path, const std::string & reason);

}  // namespace overfill
