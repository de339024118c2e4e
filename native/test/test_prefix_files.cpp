// Blocks of the prefix cache in files: what comes back is what was written, and what is damaged does not come back.
#include "check.h"
#include "prefix_files.h"
#include "temp_folder.h"

#include <cstring>
#include <random>
#include <set>

using namespace overfill;
using test::bytes_of;
using test::put_bytes;
using test::temp_folder;

namespace {

constexpr uint32_t block = prefix_cache::block_size;
constexpr size_t row = 8;
constexpr uint64_t unlimited = 1u << 30;
constexpr size_t file_size = 72 + block * (sizeof(llama_token) + row);

using text = std::vector<llama_token>;

text some_text(uint32_t n_blocks, uint32_t seed = 1) {
    std::mt19937 random(seed);
    text out(n_blocks * block);
    for (llama_token & token : out) token = (llama_token) (random() % 1000);
    return out;
}

shared_bytes rows_of(uint32_t seed) {
    shared_bytes out(block * row);
    std::mt19937 random(seed);
    for (size_t i = 0; i < out.size(); i++) out.data()[i] = (uint8_t) random();
    return out;
}

bool same(const shared_bytes & a, const shared_bytes & b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

prefix_files::options in(const temp_folder & folder, uint64_t max_bytes = unlimited) {
    return { folder.file("kept"), max_bytes, "a model", "a machine", row };
}

std::vector<prefix_place> places_of(const prefix_files & files, const text & tokens, const std::string & scope = "") {
    std::vector<prefix_place> out;
    for (size_t i = 0; i < tokens.size(); i += block)
        out.push_back(i == 0 ? files.first(scope, tokens.data())
                             : prefix_files::next(out.back().key, tokens.data() + i));
    return out;
}

void write_all(prefix_files & files, const text & tokens, uint32_t seed = 1, reading how = reading::any) {
    const auto places = places_of(files, tokens);
    for (uint32_t i = 0; i < places.size(); i++)
        files.write_rows(places[i], tokens.data() + (size_t) i * block, how, rows_of(seed + i));
    files.finish();
}

// How many blocks of the text come back, each as it was.
uint32_t n_found(prefix_files & files, const text & tokens, uint32_t seed = 1) {
    const auto places = places_of(files, tokens);
    uint32_t n = 0;
    for (; n < places.size(); n++) {
        const auto found = files.read_rows(places[n], tokens.data() + (size_t) n * block);
        if (!found) break;
        CHECK(same(found->bytes, rows_of(seed + n)));
    }
    return n;
}

std::string only_file(const temp_folder & folder) {
    std::string out;
    for (const auto & entry : std::filesystem::directory_iterator(folder.path / "kept")) out = entry.path().string();
    return out;
}

size_t n_files(const temp_folder & folder) {
    return (size_t) std::distance(std::filesystem::directory_iterator(folder.path / "kept"), {});
}

}  // namespace

TEST("blocks and states come back from another object, and with how they were computed") {
    const temp_folder folder;
    const text tokens = some_text(3);
    const auto state = std::make_shared<const std::vector<uint8_t>>(1000, (uint8_t) 7);
    {
        prefix_files files(in(folder));
        write_all(files, tokens, 1, reading::whole);
        files.write_state(places_of(files, tokens)[1], tokens.data() + block, reading::any, state);
        files.finish();
        CHECK_EQUAL(files.counts().n_written, (uint64_t) 3);
        CHECK_EQUAL(files.counts().n_blocks, (uint64_t) 3);
    }
    prefix_files files(in(folder));
    CHECK_EQUAL(n_found(files, tokens), 3u);
    const auto places = places_of(files, tokens);
    CHECK(files.read_rows(places[0], tokens.data())->how == reading::whole);
    const auto found = files.read_state(places[1], tokens.data() + block);
    CHECK(found && *found->state == *state && found->how == reading::any);
    CHECK(!files.read_state(places[0], tokens.data()));
    // On a machine that computes otherwise, its last bits are others.
    prefix_files::options elsewhere = in(folder);
    elsewhere.computing = "another machine";
    prefix_files others(elsewhere);
    CHECK(others.read_rows(places[0], tokens.data())->how == reading::any);
}

TEST("another identity, scope or beginning has other names") {
    const temp_folder folder;
    const text tokens = some_text(2);
    prefix_files files(in(folder));
    write_all(files, tokens);
    prefix_files::options other = in(folder);
    other.identity = "another model";
    prefix_files others(other);
    CHECK_EQUAL(n_found(others, tokens), 0u);
    CHECK(!files.has(places_of(files, tokens, "ann")[0], prefix_part::rows));
    text changed = tokens;
    changed[0]++;
    CHECK(!files.has(places_of(files, changed)[1], prefix_part::rows));
    CHECK_EQUAL(n_found(files, tokens), 2u);
}

TEST("a file that is damaged in any byte is removed and counts as not there") {
    const temp_folder folder;
    const text tokens = some_text(1);
    prefix_files files(in(folder));
    write_all(files, tokens);
    const std::string path = only_file(folder), sound = bytes_of(path);
    CHECK_EQUAL(sound.size(), file_size);
    std::mt19937 random(3);
    std::set<size_t> at;
    for (size_t i = 0; i < 80; i++) at.insert(i);
    for (int i = 0; i < 300; i++) at.insert(random() % sound.size());
    for (const size_t i : at) {
        std::string damaged = sound;
        damaged[i] = (char) (damaged[i] ^ (1 << random() % 8));
        put_bytes(path, damaged);
        CHECK_EQUAL(n_found(files, tokens), 0u);
        CHECK(!std::filesystem::exists(path));
    }
    CHECK_EQUAL(files.counts().n_failures, (uint64_t) at.size());
    put_bytes(path, sound);
    CHECK_EQUAL(n_found(files, tokens), 1u);
}

TEST("a file of another length is removed and counts as not there") {
    const temp_folder folder;
    const text tokens = some_text(1);
    prefix_files files(in(folder));
    write_all(files, tokens);
    const std::string path = only_file(folder), sound = bytes_of(path);
    for (size_t n = 0; n < sound.size(); n += n < 100 ? 1 : 97) {
        put_bytes(path, sound.substr(0, n));
        CHECK_EQUAL(n_found(files, tokens), 0u);
        CHECK(!std::filesystem::exists(path));
    }
    put_bytes(path, sound + "x");
    CHECK_EQUAL(n_found(files, tokens), 0u);
    // Of a pair whose rows are wider.
    put_bytes(path, sound);
    prefix_files::options wider = in(folder);
    wider.token_bytes = 2 * row;
    prefix_files others(wider);
    CHECK_EQUAL(n_found(others, tokens), 0u);
    // A state may have any length, but for one that is not the file's.
    const auto place = places_of(files, tokens)[0];
    const auto state = std::make_shared<const std::vector<uint8_t>>(50, (uint8_t) 1);
    files.write_state(place, tokens.data(), reading::any, state);
    files.finish();
    std::string huge = bytes_of(only_file(folder));
    huge[62] = 1;
    put_bytes(only_file(folder), huge);
    CHECK(!files.read_state(place, tokens.data()));
    CHECK_EQUAL(n_files(folder), (size_t) 0);
}

TEST("a folder in the place of a file is no block") {
    const temp_folder folder;
    const text tokens = some_text(1);
    prefix_files files(in(folder));
    write_all(files, tokens);
    const std::string path = only_file(folder);
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    CHECK(!files.has(places_of(files, tokens)[0], prefix_part::rows));
    CHECK_EQUAL(n_found(files, tokens), 0u);
    write_all(files, tokens);
    CHECK(files.counts().n_failures > 0);
}

TEST("what was read in whole micro-batches takes the place of what was not, and nothing else is written twice") {
    const temp_folder folder;
    const text tokens = some_text(1);
    prefix_files files(in(folder));
    write_all(files, tokens, 1, reading::any);
    write_all(files, tokens, 2, reading::any);
    CHECK_EQUAL(n_found(files, tokens, 1), 1u);
    write_all(files, tokens, 3, reading::whole);
    CHECK_EQUAL(n_found(files, tokens, 3), 1u);
    write_all(files, tokens, 4, reading::whole);
    write_all(files, tokens, 5, reading::any);
    CHECK_EQUAL(n_found(files, tokens, 3), 1u);
    CHECK_EQUAL(files.counts().n_written, (uint64_t) 2);
}

TEST("never more bytes than allowed: the longest unused go, the end of a text before its beginning") {
    const temp_folder folder;
    const text a = some_text(3, 1), b = some_text(3, 2), c = some_text(2, 3);
    prefix_files files(in(folder, 6 * file_size));
    write_all(files, a);
    write_all(files, b);
    CHECK_EQUAL(n_found(files, a), 3u);
    put_bytes(folder.file("kept") + "/of-somebody-else", std::string(100000, 'x'));
    write_all(files, c);
    CHECK_EQUAL(n_files(folder), (size_t) 7);
    CHECK_EQUAL(n_found(files, b), 1u);
    CHECK_EQUAL(n_found(files, c), 2u);
    CHECK_EQUAL(n_found(files, a), 3u);
    CHECK(files.counts().n_bytes <= 6 * file_size);
    // One that opens it with less.
    prefix_files less(in(folder, 2 * file_size));
    write_all(less, some_text(1, 9));
    CHECK_EQUAL(n_found(less, a), 1u);
    CHECK_EQUAL(less.counts().n_blocks, (uint64_t) 2);
}

TEST("a block that is larger than all that is allowed is not written, and removes nothing") {
    const temp_folder folder;
    const text tokens = some_text(1);
    {
        prefix_files files(in(folder));
        write_all(files, tokens);
    }
    prefix_files files(in(folder, file_size));
    const auto state = std::make_shared<const std::vector<uint8_t>>(file_size, (uint8_t) 1);
    files.write_state(places_of(files, tokens)[0], tokens.data(), reading::any, state);
    files.finish();
    CHECK_EQUAL(n_found(files, tokens), 1u);
}

TEST("two objects on one folder, each with little room, never fail for what the other removes") {
    const temp_folder folder;
    prefix_files one(in(folder, 5 * file_size)), other(in(folder, 5 * file_size));
    for (uint32_t i = 0; i < 20; i++) {
        for (prefix_files * files : { &one, &other }) {
            const text tokens = some_text(2, i / 2 + 1);
            const auto places = places_of(*files, tokens);
            for (uint32_t j = 0; j < 2; j++) {
                files->read_rows(places[j], tokens.data() + (size_t) j * block);
                files->write_rows(places[j], tokens.data() + (size_t) j * block, reading::any, rows_of(1 + j));
            }
        }
    }
    one.finish();
    other.finish();
    CHECK_EQUAL(one.counts().n_failures + other.counts().n_failures, (uint64_t) 0);
    CHECK(n_found(one, some_text(2, 10)) > 0);
}

TEST("what is dropped without an end leaves a folder that can be used") {
    const temp_folder folder;
    const text tokens = some_text(200);
    {
        prefix_files files(in(folder));
        const auto places = places_of(files, tokens);
        for (uint32_t i = 0; i < places.size(); i++)
            files.write_rows(places[i], tokens.data() + (size_t) i * block, reading::any, rows_of(1 + i));
    }
    prefix_files files(in(folder));
    const uint32_t n = n_found(files, tokens);
    CHECK_EQUAL(n_files(folder), (size_t) n);
    write_all(files, tokens);
    CHECK_EQUAL(n_found(files, tokens), 200u);
}

TEST("a folder that cannot be made or written into is refused, and leaves nothing") {
    const temp_folder folder;
    put_bytes(folder.file("file"), "x");
    for (const std::string & path : { folder.file("file"), folder.file("file") + "/below" }) {
        prefix_files::options options = in(folder);
        options.directory = path;
        CHECK_FAILURE(error_code::file_write_failed, prefix_files{ options });
    }
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
    const prefix_files made(in(folder));
    CHECK_EQUAL(n_files(folder), (size_t) 0);
}
