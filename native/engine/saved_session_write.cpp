#include "byte_records.h"
#include "failure.h"
#include "saved_session.h"
#include "saved_session_format.h"
#include "staged_files.h"
#include "state_compression.h"
#include "xxh3.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace overfill {

using namespace saved_format;

static constexpr uint8_t zeros[alignment] = {};

class saved_session_writer::contents {
  public:
    // The folder first, so that nothing is computed for one that is not there.
    explicit contents(const std::string & path) : file_({ path }) {}

    void describe(const saved_session & saved, const stop_check & stopped) {
        out_.text("overfill");
        out_.text(saved.note);
        out_.number<uint64_t>(saved.models.size());
        for (const side_identity & model : saved.models) {
            out_.text(model.name);
            write_facts(model.facts);
        }
        write_image(saved.image);
        out_.number<uint64_t>(saved.image.caches.size());
        for (size_t i = 0; i < saved.image.caches.size(); i++) {
            const session_image::cache & cache = saved.image.caches[i];
            out_.number<uint8_t>((uint8_t) cache.of);
            write_facts(saved.layouts[i]);
            write_cache(cache.held, saved.compressed[i], stopped);
        }
    }

    // Puts what the description takes in its place, for the checksums are known at the end only.
    void begin(const stop_check & stopped) {
        file_.open(0, /*buffered*/ false);
        const std::vector<uint8_t> head = head_now();
        file_.write(head.data(), head.size());
        write_kept(stopped);
    }

    void put(const uint8_t * values, size_t n, const stop_check & stopped) {
        while (n > 0) {
            if (stopped()) throw failure(error_code::aborted, "aborted");
            if (at_ == blocks_.size()) throw failure(error_code::internal, "more values were given than a session has");
            const size_t n_here = std::min({ n, blocks_[at_].size - n_written_, kept_bytes::piece_size });
            write(values, n_here);
            values += n_here;
            n -= n_here;
            if (n_written_ < blocks_[at_].size) continue;
            end_block();
            write_kept(stopped);
        }
    }

    void finish(const stop_check & stopped) {
        if (at_ < blocks_.size()) throw failure(error_code::internal, "fewer values were given than a session has");
        const std::vector<uint8_t> head = head_now();
        file_.write_first(head.data(), head.size());
        file_.close();
        if (stopped()) throw failure(error_code::aborted, "aborted");
        file_.commit();
    }

  private:
    void write_facts(const std::vector<std::pair<std::string, std::string>> & facts) {
        out_.number<uint64_t>(facts.size());
        for (const auto & [name, value] : facts) {
            out_.text(name);
            out_.text(value);
        }
    }

    void write_image(const session_image & image) {
        out_.number<uint8_t>((uint8_t) image.stage);
        out_.list(image.tokens);
        out_.number<uint8_t>((uint8_t) image.own_writer);
        out_.number<uint8_t>((uint8_t) image.writer);
        out_.list(image.first_logits);
        out_.number<uint32_t>(image.n_before_answer);
        out_.list(image.refreshes);
        out_.truth(image.refresh_begun);
        out_.list(image.refreshed_logits);
        out_.number<uint32_t>(image.n_before_refreshed);
        out_.number<uint32_t>(image.n_checked);
        out_.text(image.unfinished_text);
        out_.text(image.unfinished_text_before);
        out_.number<uint64_t>(image.n_before_decode);
        out_.number<uint64_t>(image.n_before_space);
        out_.truth(image.exact);
        out_.text(image.scope);
        image.trace.write(out_);
    }

    void write_ledger(const cache_ledger & ledger) {
        out_.number<uint64_t>(ledger.runs().size());
        for (const cache_ledger::run & run : ledger.runs()) {
            out_.number<uint32_t>(run.end);
            out_.number<uint8_t>((uint8_t) run.by);
        }
    }

    void write_cache(const cached_sequence::image & held, const std::vector<value_run> & compressed,
                     const stop_check & stopped) {
        write_ledger(held.wanted);
        write_ledger(held.held);
        out_.truth(held.cells.has_value());
        if (!held.cells) return;
        write_ledger(held.cells->held);
        write_ledger(held.cells->marked);
        write_state(held.cells->state, held.values.get(), compressed, stopped);
        write_state(held.cells->mark, nullptr, {}, stopped);
    }

    void write_state(const sequence_state & state, const gradual_state * given,
                     const std::vector<value_run> & compressed, const stop_check & stopped) {
        out_.number<uint64_t>(state.caches.size());
        for (const sequence_state::cells & cells : state.caches) {
            out_.list(cells.positions);
            out_.list(cells.tokens);
        }
        out_.list(state.recurrent);
        block made;
        made.is_given = given != nullptr;
        if (!given) made.bytes = compressed.empty() ? state.values : compress(state.values, compressed, stopped);
        made.size = given ? given->size() : made.bytes.size();
        out_.number<uint64_t>(made.size);
        made.hash_at = out_.written().size();
        out_.number<uint64_t>(0);
        out_.number<uint64_t>(compressed.size());
        for (const value_run & run : compressed) {
            out_.number<uint32_t>((uint32_t) run.type);
            out_.number<uint64_t>(run.n_values);
        }
        blocks_.push_back(std::move(made));
    }

    // The header and the description, with the checksums that are known.
    std::vector<uint8_t> head_now() const {
        const size_t n_written = out_.written().size(), n_description = n_written + padding_of(n_written);
        std::vector<uint8_t> out(header_size + n_description);
        std::copy(out_.written().begin(), out_.written().end(), out.begin() + header_size);
        header head{};
        std::snprintf(head.magic, sizeof head.magic, "%s%u\n", magic, version);
        head.n_description = n_description;
        for (const block & one : blocks_) head.n_values += one.size + padding_of(one.size);
        head.description_hash = xxh3::of(out.data() + header_size, n_description);
        head.hash = xxh3::of(&head, hashed_header_size);
        std::memcpy(out.data(), &head, sizeof head);
        return out;
    }

    // The blocks whose values are there, up to one whose values are given.
    void write_kept(const stop_check & stopped) {
        for (; at_ < blocks_.size() && (!blocks_[at_].is_given || blocks_[at_].size == 0); end_block())
            byte_pieces(blocks_[at_].bytes).take(blocks_[at_].size, [&](const uint8_t * from, size_t n, size_t) {
                if (stopped()) throw failure(error_code::aborted, "aborted");
                write(from, n);
            });
    }

    // In pieces that are still in the processor's caches when the system copies them.
    void write(const uint8_t * from, size_t n) {
        hash_->add(from, n);
        file_.write(from, n);
        n_written_ += n;
    }

    void end_block() {
        const size_t n_padding = padding_of(blocks_[at_].size);
        if (n_padding > 0) write(zeros, n_padding);
        out_.replace_number<uint64_t>(blocks_[at_].hash_at, hash_->value());
        hash_ = std::make_unique<xxh3>();
        n_written_ = 0;
        blocks_[at_++].bytes = {};
    }

    struct block {
        kept_bytes bytes;  // unless they are given
        bool is_given = false;
        size_t size = 0, hash_at = 0;  // of its checksum in the description
    };

    staged_files file_;
    byte_writer out_;
    std::vector<block> blocks_;
    size_t at_ = 0, n_written_ = 0;  // of the block
    std::unique_ptr<xxh3> hash_ = std::make_unique<xxh3>();
};

saved_session_writer::saved_session_writer(const std::string & path, const saved_session & saved,
                                           const stop_check & stopped)
    : contents_(std::make_unique<contents>(path)) {
    contents_->describe(saved, stopped);
    contents_->begin(stopped);
}

saved_session_writer::~saved_session_writer() = default;

void saved_session_writer::put(const uint8_t * values, size_t n, const stop_check & stopped) {
    contents_->put(values, n, stopped);
}

void saved_session_writer::finish(const stop_check & stopped) { contents_->finish(stopped); }

}  // namespace overfill
