#include "prefix_files.h"

#include "failure.h"
#include "input_file.h"
#include "staged_files.h"
#include "xxh3.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <utility>

namespace overfill {

namespace fs = std::filesystem;

static constexpr char magic[] = "overfill prefix v1\n";
static constexpr uint32_t block_size = prefix_cache::block_size;
static constexpr size_t token_list_size = block_size * sizeof(llama_token);
// What waits to be written holds the memory of blocks that may have left the cache meanwhile.
static constexpr size_t most_queued_bytes = (size_t) 256 << 20;
static constexpr std::chrono::seconds most_time_to_finish{ 10 };

struct prefix_files::header {
    char magic[24];
    uint64_t key[2];
    uint64_t computed_as;
    uint32_t n_tokens;
    uint32_t part;
    uint64_t n_bytes;
    uint64_t hash;
};

static constexpr size_t header_size = 72, hashed_header_size = 64;

static prefix_key key_of(const std::string & text) { return { xxh3::of128(text.data(), text.size()) }; }

static prefix_key key_of(const prefix_key & before, const void * data, size_t n) {
    std::vector<uint8_t> bytes(sizeof before.of + n);
    std::memcpy(bytes.data(), before.of.data(), sizeof before.of);
    if (n > 0) std::memcpy(bytes.data() + sizeof before.of, data, n);
    return { xxh3::of128(bytes.data(), bytes.size()) };
}

static uint64_t nonzero(uint64_t hash) { return hash == 0 ? 1 : hash; }

prefix_files::prefix_files(const options & options)
    : folder_(options.directory), max_bytes_(options.max_bytes), token_bytes_(options.token_bytes),
      computing_(nonzero(xxh3::of(options.computing.data(), options.computing.size()))),
      identity_(key_of(magic + options.identity)), writer_([this] { write_queued(); },
                                                           [this] {
                                                               const std::lock_guard<std::mutex> lock(mutex_);
                                                               stopped_ = true;
                                                               changed_.notify_all();
                                                           }) {
    static_assert(sizeof(header) == header_size);
}

prefix_files::~prefix_files() { writer_.join(); }

void prefix_files::finish() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, most_time_to_finish, [&] { return queue_.empty() || stopped_; });
}

prefix_place prefix_files::first(const std::string & scope, const llama_token * tokens) const {
    return next(key_of(identity_, scope.data(), scope.size()), tokens);
}

prefix_place prefix_files::next(const prefix_key & before, const llama_token * tokens) {
    return { before, key_of(before, tokens, token_list_size) };
}

// --- reading ---

bool prefix_files::has(const prefix_place & place, prefix_part part) const {
    std::error_code error;
    return fs::is_regular_file(folder_.file_of(place, part), error);
}

namespace {

struct close_file {
    void operator()(std::FILE * file) const { std::fclose(file); }
};
using open_file = std::unique_ptr<std::FILE, close_file>;

// Null: there is none. Nothing else than a file is opened: a pipe would wait for its writer.
open_file open(const fs::path & path, uint64_t & size) {
    try {
        size = check_input_file(path.u8string(), data_codes);
    } catch (const failure &) {
        return nullptr;
    }
#ifdef _WIN32
    open_file file(_wfopen(path.c_str(), L"rb"));
#else
    open_file file(std::fopen(path.c_str(), "rbe"));
#endif
    if (file) std::setvbuf(file.get(), nullptr, _IONBF, 0);
    return file;
}

bool fill(std::FILE * file, void * to, size_t n) { return std::fread(to, 1, n, file) == n; }

}  // namespace

template <class Allocate>
std::optional<reading> prefix_files::read(const prefix_place & place, prefix_part part, const llama_token * tokens,
                                          std::optional<uint64_t> n_bytes, const Allocate & allocate) {
    const fs::path path = folder_.file_of(place, part);
    uint64_t size = 0;
    open_file file = open(path, size);
    if (!file) return std::nullopt;
    header head{};
    std::vector<llama_token> stored(block_size);
    const auto is_sound = [&] {
        if (!fill(file.get(), &head, sizeof head)) return false;
        header expected{};
        std::memcpy(expected.magic, magic, sizeof magic);
        std::copy(place.key.of.begin(), place.key.of.end(), expected.key);
        expected.computed_as = head.computed_as;
        expected.n_tokens = block_size;
        expected.part = (uint32_t) part;
        expected.n_bytes = n_bytes.value_or(head.n_bytes);
        if (std::memcmp(&head, &expected, hashed_header_size) != 0) return false;
        if (size < header_size + token_list_size || size - header_size - token_list_size != head.n_bytes) return false;
        if (!fill(file.get(), stored.data(), token_list_size)) return false;
        if (!std::equal(stored.begin(), stored.end(), tokens)) return false;
        uint8_t * to = allocate((size_t) head.n_bytes);
        if (!fill(file.get(), to, (size_t) head.n_bytes)) return false;
        xxh3 hash;
        hash.add(&head, hashed_header_size);
        hash.add(stored.data(), token_list_size);
        hash.add(to, (size_t) head.n_bytes);
        return hash.value() == head.hash;
    };
    if (!is_sound()) {
        file.reset();
        std::error_code error;
        fs::remove(path, error);
        n_failures_++;
        look_again_ = true;
        return std::nullopt;
    }
    prefix_folder::touch(path);
    if (part == prefix_part::rows) n_read_++;
    return head.computed_as == computing_ ? reading::whole : reading::any;
}

std::optional<prefix_files::stored_rows> prefix_files::read_rows(const prefix_place & place,
                                                                 const llama_token * tokens) {
    shared_bytes rows;
    const auto how = read(place, prefix_part::rows, tokens, block_size * token_bytes_, [&](size_t n) {
        rows = shared_bytes(n);
        return rows.data();
    });
    if (!how) return std::nullopt;
    return stored_rows{ std::move(rows), *how };
}

std::optional<prefix_files::stored_state> prefix_files::read_state(const prefix_place & place,
                                                                   const llama_token * tokens) {
    auto state = std::make_shared<std::vector<uint8_t>>();
    const auto how = read(place, prefix_part::state, tokens, std::nullopt, [&](size_t n) {
        state->resize(n);
        return state->data();
    });
    if (!how) return std::nullopt;
    return stored_state{ std::move(state), *how };
}

// --- writing ---

void prefix_files::write_rows(const prefix_place & place, const llama_token * tokens, reading how, shared_bytes rows) {
    queue({ place, prefix_part::rows, how, { tokens, tokens + block_size }, std::move(rows), nullptr });
}

void prefix_files::write_state(const prefix_place & place, const llama_token * tokens, reading how, kept_state state) {
    queue({ place, prefix_part::state, how, { tokens, tokens + block_size }, {}, std::move(state) });
}

void prefix_files::queue(job next) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopped_ || n_queued_bytes_ + next.size() > most_queued_bytes) return;
    const size_t n = next.size();
    queue_.push_back(std::move(next));
    n_queued_bytes_ += n;
    changed_.notify_all();
}

void prefix_files::write_queued() {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto unlocked = [&](const auto & work) {
        lock.unlock();
        try {
            work();
        } catch (...) {
            // A full disk, or a folder that is not there any more: it is read again next time.
            n_failures_++;
        }
        lock.lock();
    };
    unlocked([&] { look(max_bytes_); });
    while (true) {
        changed_.wait(lock, [&] { return stopped_ || !queue_.empty(); });
        if (stopped_) break;
        const job & next = queue_.front();  // which stays where it is when others come
        unlocked([&] { write(next); });
        n_queued_bytes_ -= next.size();
        queue_.pop_front();
        if (queue_.empty()) changed_.notify_all();
    }
    queue_.clear();
}

void prefix_files::look(uint64_t most_bytes) {
    look_again_ = false;
    const prefix_folder::total left = folder_.make_room(most_bytes);
    n_bytes_ = left.n_bytes;
    n_blocks_ = left.n_blocks;
    n_since_look_ = 0;
}

// What was read in whole micro-batches takes the place of what was not.
bool prefix_files::is_there(const job & next, const fs::path & path) const {
    uint64_t size = 0;
    const open_file file = open(path, size);
    if (!file || next.how != reading::whole) return file != nullptr;
    header head{};
    return fill(file.get(), &head, sizeof head) && head.computed_as == computing_;
}

void prefix_files::write(const job & next) {
    const fs::path path = folder_.file_of(next.place, next.part);
    if (is_there(next, path)) return prefix_folder::touch(path);
    const uint64_t size = header_size + token_list_size + next.size();
    if (size > max_bytes_) return;
    // Others write as well.
    if (look_again_ || n_bytes_ + size > max_bytes_ || n_since_look_ > max_bytes_ / 16) look(max_bytes_ - size);

    header head{};
    std::memcpy(head.magic, magic, sizeof magic);
    std::copy(next.place.key.of.begin(), next.place.key.of.end(), head.key);
    head.computed_as = next.how == reading::whole ? computing_ : 0;
    head.n_tokens = block_size;
    head.part = (uint32_t) next.part;
    head.n_bytes = next.size();
    xxh3 hash;
    hash.add(&head, hashed_header_size);
    hash.add(next.tokens.data(), token_list_size);
    hash.add(next.data(), next.size());
    head.hash = hash.value();

    staged_files file({ path.u8string() });
    file.open(0, /*buffered*/ false);
    file.write(&head, sizeof head);
    file.write(next.tokens.data(), token_list_size);
    file.write(next.data(), next.size());
    file.close();
    file.commit();
    n_bytes_ += size;
    n_since_look_ += size;
    if (next.part == prefix_part::rows) {
        n_written_++;
        n_blocks_++;
    }
}

}  // namespace overfill
