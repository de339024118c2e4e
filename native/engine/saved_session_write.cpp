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

namespace {

constexpr uint8_t zeros[alignment] = {};

class session_writer {
  public:
    explicit session_writer(const std::function<bool()> & stopped) : stopped_(stopped) {}

    void describe(const saved_session & saved) {
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
            write_cache(cache.held, saved.compressed[i]);
        }
    }

    void put(staged_files & file) {
        std::vector<uint8_t> description = out_.written();
        description.resize(description.size() + padding_of(description.size()));
        header head{};
        std::snprintf(head.magic, sizeof head.magic, "%s%u\n", magic, version);
        head.n_description = description.size();
        for (const kept_bytes & block : blocks_) head.n_values += block.size + padding_of(block.size);
        head.description_hash = xxh3::of(description.data(), description.size());
        head.hash = xxh3::of(&head, hashed_header_size);
        file.write(&head, sizeof head);
        file.write(description.data(), description.size());
        for (const kept_bytes & block : blocks_) {
            in_steps(block, [&](const uint8_t * from, size_t n) { file.write(from, n); });
            if (const size_t n = padding_of(block.size)) file.write(zeros, n);
        }
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

    void write_cache(const cached_sequence::image & held, const std::vector<value_run> & compressed) {
        write_ledger(held.wanted);
        write_ledger(held.held);
        out_.truth(held.cells.has_value());
        if (!held.cells) return;
        write_ledger(held.cells->held);
        write_ledger(held.cells->marked);
        write_state(held.cells->state, compressed);
        write_state(held.cells->mark, {});
    }

    void write_state(const sequence_state & state, const std::vector<value_run> & compressed) {
        out_.number<uint64_t>(state.caches.size());
        for (const sequence_state::cells & cells : state.caches) {
            out_.list(cells.positions);
            out_.list(cells.tokens);
        }
        out_.list(state.recurrent);
        const kept_bytes block = compressed.empty() ? state.values : compress(state.values, compressed, stopped_);
        xxh3 hash;
        in_steps(block, [&](const uint8_t * from, size_t n) { hash.add(from, n); });
        hash.add(zeros, padding_of(block.size));
        out_.number<uint64_t>(block.size);
        out_.number<uint64_t>(hash.value());
        out_.number<uint64_t>(compressed.size());
        for (const value_run & run : compressed) {
            out_.number<uint32_t>((uint32_t) run.type);
            out_.number<uint64_t>(run.n_values);
        }
        blocks_.push_back(block);
    }

    template <class F> void in_steps(const kept_bytes & bytes, const F & take) {
        for (size_t at = 0; at < bytes.size; at += step_size) {
            if (stopped_()) throw failure(error_code::aborted, "aborted");
            take(bytes.data.get() + at, std::min(step_size, bytes.size - at));
        }
    }

    const std::function<bool()> & stopped_;
    byte_writer out_;
    std::vector<kept_bytes> blocks_;
};

}  // namespace

void write_saved_session(const std::string & path, const saved_session & saved, const std::function<bool()> & stopped) {
    // First, so that nothing is computed for a folder that is not there.
    staged_files file({ path });
    session_writer out(stopped);
    out.describe(saved);
    file.open(0, /*buffered*/ false);
    out.put(file);
    file.close();
    if (stopped()) throw failure(error_code::aborted, "aborted");
    file.commit();
}

}  // namespace overfill
