// What the prefill model has read, kept in ordinary memory so that nobody has to read it again: a tree of blocks of
// tokens with their rows of the cache, one tree for each scope. Plain book-keeping, which touches no cache.
//
// A block is full, and others may follow it, or it is the end of a text. What a block holds depends on all tokens
// before it, so a text is found by walking from the root. Where the memory can be cut behind any token, a text may end
// inside a block; where it cannot, only where a block has the state that follows it.
//
// When it grows beyond its size, the blocks go that were used longest ago, never one before those that follow it.
#pragma once

#include <llama.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

// Bytes that many may hold on to, not initialised when they are made.
class shared_bytes {
  public:
    shared_bytes() = default;
    // Throws std::bad_alloc.
    explicit shared_bytes(size_t n) : data_(new uint8_t[n], std::default_delete<uint8_t[]>()), size_(n) {}
    uint8_t * data() const { return data_.get(); }
    size_t size() const { return size_; }

  private:
    std::shared_ptr<uint8_t> data_;
    size_t size_ = 0;
};

// A memory's state at one token, see sequence_state.h; null: none.
using kept_state = std::shared_ptr<const std::vector<uint8_t>>;

// How the rows of a block's tokens were computed: in whole micro-batches from the text's beginning on, so that reading
// it anew gives the same to the last bit, or otherwise.
enum class reading { any, whole };

struct prefix_cache_counts {
    uint64_t n_bytes = 0, n_blocks = 0;
    uint64_t n_cached_tokens = 0;  // that were taken over since the load
};

class prefix_cache {
  public:
    static constexpr uint32_t block_size = 256;

    // `token_bytes`: of a token's rows. `can_cut`: see above.
    prefix_cache(size_t max_bytes, size_t token_bytes, bool can_cut);
    ~prefix_cache();

    // Rows of some of a block's tokens.
    struct piece {
        shared_bytes rows;  // of all its tokens
        uint32_t n_stored;  // how many those are
        uint32_t first, n;  // these
    };
    struct match {
        uint32_t end = 0;  // of the text, up to which it is held; `from` or less: nothing that is of use
        std::vector<piece> pieces;
        kept_state state;      // which follows `end`, where the memory cannot be cut
        uint32_t n_whole = 0;  // tokens from the beginning that were read in whole micro-batches
    };

    // What is held of a text of n tokens beyond its first `from`.
    match find(const std::string & scope, const llama_token * text, uint32_t n, uint32_t from, reading how);

    // Where the first block of the text's first n tokens begins that is not held: `n` if all are. The first n_whole of
    // them have to be held as read whole. The state does not count.
    uint32_t find_missing(const std::string & scope, const llama_token * text, uint32_t n, uint32_t n_whole);

    // Whether the state that follows the first n tokens is held.
    bool has_state(const std::string & scope, const llama_token * text, uint32_t n);

    // Adds the block of the text that ends at `end`, and begins at a multiple of block_size; what comes before must be
    // held, or nothing is added. `fill` writes its rows. `state` may be null; a block that is held already gets it.
    // Gives the rows where these are new. Throws what fill throws, std::bad_alloc; nothing is added then.
    std::optional<shared_bytes> add(const std::string & scope, const llama_token * text, uint32_t end, reading how,
                                    const std::function<void(uint8_t *)> & fill, kept_state state = nullptr);
    // The same with rows that are there already.
    std::optional<shared_bytes> add(const std::string & scope, const llama_token * text, uint32_t end, reading how,
                                    const shared_bytes & rows, kept_state state = nullptr);

    // Tokens of one text that fit, at the least.
    uint32_t max_tokens() const;

    void clear();

    void count_cached(uint32_t n_tokens) { n_cached_ += n_tokens; }
    // Any thread.
    prefix_cache_counts counts() const { return { n_bytes_, n_blocks_, n_cached_ }; }

  private:
    struct block;
    using order = std::list<block *>;
    using rows_source = std::function<shared_bytes()>;

    std::optional<shared_bytes> add_rows(const std::string & scope, const llama_token * text, uint32_t end, reading how,
                                         const rows_source & rows, kept_state state);

    // Among those that follow, the full one that the text goes on with; null: none.
    static block * next_of(const block & after, const llama_token * next);
    // The one that has the text's next n tokens: as its first where the memory can be cut, else as all it has.
    block * find_end(const block & after, const llama_token * next, uint32_t n) const;
    // The last of the full blocks that the text up to `end` is made of, or the root; null where one is missing.
    block * walk(const std::string & scope, const llama_token * text, uint32_t end);
    void touch(block * last);
    void make_room();
    void drop_last_used();
    void drop(block & which);

    const size_t max_bytes_, token_bytes_;
    const bool can_cut_;
    std::map<std::string, std::unique_ptr<block>> roots_;
    order by_use_;  // the latest first; a block is used whenever one that follows it is
    std::atomic<uint64_t> n_bytes_{ 0 }, n_blocks_{ 0 }, n_cached_{ 0 };
};

}  // namespace overfill
