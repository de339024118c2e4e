#include "prefix_folder.h"

#include "failure.h"
#include "file_failure.h"
#include "folder_listing.h"
#include "output_paths.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <vector>

namespace overfill {

namespace fs = std::filesystem;

static constexpr char rows_extension[] = ".prefix-rows", state_extension[] = ".prefix-state";
static constexpr size_t n_digits = 32;

static std::string digits(const prefix_key & key) {
    char out[n_digits + 1];
    std::snprintf(out, sizeof out, "%016llx%016llx", (unsigned long long) key.of[0], (unsigned long long) key.of[1]);
    return out;
}

static std::optional<prefix_key> to_key(const std::string & text) {
    if (text.size() != n_digits || text.find_first_not_of("0123456789abcdef") != text.npos) return std::nullopt;
    return prefix_key{ { std::stoull(text.substr(0, n_digits / 2), nullptr, 16),
                         std::stoull(text.substr(n_digits / 2), nullptr, 16) } };
}

static std::optional<prefix_place> to_place(const fs::path & file) {
    const fs::path extension = file.extension();
    if (extension != rows_extension && extension != state_extension) return std::nullopt;
    const std::string stem = file.stem().u8string();
    if (stem.size() != 2 * n_digits + 1 || stem[n_digits] != '-') return std::nullopt;
    const auto before = to_key(stem.substr(0, n_digits)), key = to_key(stem.substr(n_digits + 1));
    if (!before || !key) return std::nullopt;
    return prefix_place{ *before, *key };
}

prefix_folder::prefix_folder(const std::string & path) {
    std::error_code error;
    // Whoever changes the working directory later does not move the folder.
    path_ = fs::absolute(fs::u8path(path), error);
    if (error) throw write_failure(path, error.message());
    if (!path_.has_filename()) path_ = path_.parent_path();  // it ended in a slash
    if (fs::create_directories(path_, error)) {
        // What is read in conversations is nobody else's.
        std::error_code ignored;
        fs::permissions(path_, fs::perms::owner_all, ignored);
    }
    if (error) throw write_failure(path, error.message());
    if (!fs::is_directory(path_, error)) throw write_failure(path, "it is not a folder");
    check_writable((path_ / digits({})).u8string(), /*is_text*/ false);
}

fs::path prefix_folder::file_of(const prefix_place & place, prefix_part part) const {
    const char * extension = part == prefix_part::rows ? rows_extension : state_extension;
    return path_ / (digits(place.before) + "-" + digits(place.key) + extension);
}

void prefix_folder::touch(const fs::path & file) {
    std::error_code ignored;
    fs::last_write_time(file, fs::file_time_type::clock::now(), ignored);
}

namespace {

struct stored {
    prefix_key before;
    std::vector<fs::path> files;
    uint64_t n_bytes = 0;
    fs::file_time_type used = fs::file_time_type::min();  // it, or what follows it
    size_t order = 0;  // what follows has a smaller one than what it follows, where both were used at one time
};

std::map<prefix_key, stored> blocks_in(const fs::path & folder) {
    std::map<prefix_key, stored> out;
    std::error_code error;
    for (const fs::path & file : entries_of(folder, error)) {
        const std::optional<prefix_place> place = to_place(file);
        if (!place) continue;
        std::error_code gone;
        const uint64_t n_bytes = fs::file_size(file, gone);
        if (gone) continue;
        const fs::file_time_type used = fs::last_write_time(file, gone);
        if (gone) continue;
        stored & one = out[place->key];
        one.before = place->before;
        one.files.push_back(file);
        one.n_bytes += n_bytes;
        one.used = std::max(one.used, used);
    }
    return out;
}

using block_list = std::vector<stored *>;

// The longest unused first, and none before those that follow it.
block_list by_use(std::map<prefix_key, stored> & blocks) {
    block_list out;
    for (auto & [key, one] : blocks) out.push_back(&one);
    std::stable_sort(out.begin(), out.end(), [](const stored * a, const stored * b) { return a->used > b->used; });
    size_t n = 0;
    for (stored * latest : out) {
        const fs::file_time_type used = latest->used;
        if (latest->order == 0) latest->order = ++n;
        for (auto it = blocks.find(latest->before); it != blocks.end(); it = blocks.find(it->second.before)) {
            stored & before = it->second;
            if (before.order > 0) break;  // it was used no earlier
            before.used = used;
            before.order = ++n;
        }
    }
    std::sort(out.begin(), out.end(), [](const stored * a, const stored * b) {
        return a->used != b->used ? a->used < b->used : a->order < b->order;
    });
    return out;
}

}  // namespace

prefix_folder::total prefix_folder::make_room(uint64_t most_bytes) const {
    std::map<prefix_key, stored> blocks = blocks_in(path_);
    total out;
    for (const auto & [key, one] : blocks) out.n_bytes += one.n_bytes;
    out.n_blocks = blocks.size();
    if (out.n_bytes <= most_bytes) return out;
    for (const stored * one : by_use(blocks)) {
        if (out.n_bytes <= most_bytes) break;
        bool removed = true;
        for (const fs::path & file : one->files) {
            std::error_code error;
            fs::remove(file, error);
            removed = removed && !error;
        }
        if (!removed) continue;
        out.n_bytes -= one->n_bytes;
        out.n_blocks--;
    }
    return out;
}

}  // namespace overfill
