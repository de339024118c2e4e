// A block of a prefix cache, whose checksum is made right first: what is read is of its size, or is not there.
#include "fuzz_target.h"
#include "prefix_files.h"
#include "xxh3.h"

#include <cstring>
#include <numeric>

using namespace overfill;
using namespace overfill::test;

namespace {

constexpr uint32_t n_tokens = prefix_cache::block_size;
constexpr size_t row = 1, header_size = 72, hash_at = 64;

struct fixture {
    prefix_files::options options{ fuzz_folder().file("kept"), 1u << 30, "a model", "a machine", row };
    prefix_folder folder{ options.directory };
    std::vector<llama_token> tokens = std::vector<llama_token>(n_tokens);
    prefix_files files{ options };
    prefix_place place;

    fixture() {
        std::iota(tokens.begin(), tokens.end(), 5);
        place = files.first("", tokens.data());
    }
    std::string path(prefix_part part) const { return folder.file_of(place, part).string(); }
};

fixture & the_fixture() {
    static fixture f;
    return f;
}

std::string sealed(std::string bytes) {
    if (bytes.size() < header_size) return bytes;
    const std::string hashed = bytes.substr(0, hash_at) + bytes.substr(header_size);
    const uint64_t hash = xxh3::of(hashed.data(), hashed.size());
    std::memcpy(&bytes[hash_at], &hash, sizeof hash);
    return bytes;
}

}  // namespace

void overfill::test::fuzz_one(const std::string & bytes) {
    fixture & f = the_fixture();
    for (const prefix_part part : { prefix_part::rows, prefix_part::state }) put_bytes(f.path(part), sealed(bytes));
    read_or_refuse([&] {
        const auto rows = f.files.read_rows(f.place, f.tokens.data());
        demand(!rows || rows->bytes.size() == n_tokens * row, "a block's rows have their size");
        f.files.read_state(f.place, f.tokens.data());
    });
}

std::vector<std::string> overfill::test::fuzz_seeds() {
    fixture & f = the_fixture();
    f.files.write_rows(f.place, f.tokens.data(), reading::whole, shared_bytes(n_tokens * row));
    f.files.write_state(f.place, f.tokens.data(), reading::any,
                        std::make_shared<std::vector<uint8_t>>(40, (uint8_t) 7));
    f.files.finish();
    return { bytes_of(f.path(prefix_part::rows)), bytes_of(f.path(prefix_part::state)) };
}
