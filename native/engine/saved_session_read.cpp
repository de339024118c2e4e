#include "byte_records.h"
#include "failure.h"
#include "input_file.h"
#include "kept_bytes.h"
#include "saved_session.h"
#include "saved_session_format.h"
#include "state_compression.h"
#include "xxh3.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace overfill {

using namespace saved_format;

namespace {

class session_reader {
  public:
    session_reader(const std::string & path, const std::function<bool()> & stopped, value_check when)
        : path_(path), file_(std::make_shared<file_reader>(path)), stopped_(stopped), when_(when) {}

    saved_session read() {
        const header head = read_header();
        std::vector<uint8_t> description((size_t) head.n_description);
        file_->read(header_size, description.data(), description.size());
        values_at_ = header_size + head.n_description;
        if (xxh3::of(description.data(), description.size()) != head.description_hash)
            throw bad_record("its description is damaged");
        in_.emplace(description.data(), description.size());
        saved_session out = describe();
        if (in_->n_left() >= alignment || values_at_ != file_->size())
            throw bad_record("it is longer than what is in it");
        return out;
    }

  private:
    header read_header() {
        header head{};
        const size_t n_magic = sizeof magic - 1;
        file_->read(0, &head, (size_t) std::min<uint64_t>(file_->size(), sizeof head));
        if (std::memcmp(&head, magic, n_magic) != 0) throw bad_record("it is no saved session");
        if (file_->size() < sizeof head) throw bad_record("it ends within its header");
        // Of other versions nothing else is known.
        const std::string expected = std::string(magic) + std::to_string(version) + "\n";
        if (std::memcmp(head.magic, expected.c_str(), expected.size() + 1) != 0)
            throw bad_record("it is of another version than " + std::to_string(version));
        if (xxh3::of(&head, hashed_header_size) != head.hash) throw bad_record("its header is damaged");
        const uint64_t n_rest = file_->size() - header_size;
        if (head.n_description > n_rest || head.n_values != n_rest - head.n_description)
            throw bad_record("it is not as long as it says");
        return head;
    }

    saved_session describe() {
        saved_session out;
        in_->text();
        out.note = in_->text();
        out.models.resize(in_->count(2 * sizeof(uint64_t)));
        if (out.models.size() < 2 || out.models.size() > UINT8_MAX) throw bad_record("there are no models");
        for (side_identity & model : out.models) {
            model.name = in_->text();
            model.facts = read_facts();
        }
        n_models_ = out.models.size();
        read_image(out.image);
        out.image.caches.resize(in_->count(1 + sizeof(uint64_t)));
        if (out.image.caches.size() > n_models_) throw bad_record("there are more caches than models");
        for (session_image::cache & cache : out.image.caches) {
            cache.of = read_side();
            out.layouts.push_back(read_facts());
            read_cache(cache.held);
        }
        if (rounded_) out.image.exact = false;
        return out;
    }

    std::vector<std::pair<std::string, std::string>> read_facts() {
        std::vector<std::pair<std::string, std::string>> facts(in_->count(2 * sizeof(uint64_t)));
        for (auto & [name, value] : facts) {
            name = in_->text();
            value = in_->text();
        }
        return facts;
    }

    pair_side read_side() {
        const auto side = in_->number<uint8_t>();
        if (side >= n_models_) throw bad_record("something is of no model");
        return (pair_side) side;
    }

    void read_image(session_image & image) {
        const auto stage = in_->number<uint8_t>();
        if (stage > (uint8_t) session_stage::interrupted) throw bad_record("the session is at no stage");
        image.stage = (session_stage) stage;
        image.tokens = in_->list<llama_token>();
        image.own_writer = read_side();
        image.writer = read_side();
        image.first_logits = in_->list<float>();
        image.n_before_answer = in_->number<uint32_t>();
        image.refreshes = in_->list<uint32_t>();
        image.refresh_begun = in_->truth();
        image.refreshed_logits = in_->list<float>();
        image.n_before_refreshed = in_->number<uint32_t>();
        image.n_checked = in_->number<uint32_t>();
        image.unfinished_text = in_->text();
        image.unfinished_text_before = in_->text();
        image.n_before_decode = in_->number<uint64_t>();
        image.n_before_space = in_->number<uint64_t>();
        image.exact = in_->truth();
        image.scope = in_->text();
        image.trace = answer_trace::read(*in_);
    }

    cache_ledger read_ledger() {
        cache_ledger ledger;
        for (size_t n = in_->count(sizeof(uint32_t) + 1); n > 0; n--) {
            const auto end = in_->number<uint32_t>();
            const pair_side by = read_side();
            const auto & runs = ledger.runs();
            if (end <= ledger.size() || (!runs.empty() && runs.back().by == by))
                throw bad_record("the runs of a cache are in no order");
            ledger.append(end - ledger.size(), by);
        }
        return ledger;
    }

    void read_cache(cached_sequence::image & held) {
        held.wanted = read_ledger();
        held.held = read_ledger();
        if (!in_->truth()) return;
        held.cells.emplace();
        held.cells->held = read_ledger();
        held.cells->marked = read_ledger();
        held.cells->state = read_state();
        held.cells->mark = read_state();
    }

    sequence_state read_state() {
        sequence_state state;
        state.caches.resize(in_->count(2 * sizeof(uint64_t)));
        for (sequence_state::cells & cells : state.caches) {
            cells.positions = in_->list<llama_pos>();
            cells.tokens = in_->list<llama_token>();
        }
        state.recurrent = in_->list<uint8_t>();
        const auto n_bytes = in_->number<uint64_t>(), hash = in_->number<uint64_t>();
        std::vector<value_run> compressed(in_->count(sizeof(uint32_t) + sizeof(uint64_t)));
        for (value_run & run : compressed) {
            const auto type = in_->number<uint32_t>();
            if (type >= GGML_TYPE_COUNT) throw bad_record("values are of no type");
            run = { (ggml_type) type, in_->number<uint64_t>() };
        }
        state.values = next_block(n_bytes, hash, compressed.empty() ? when_ : value_check::now);
        if (compressed.empty()) return state;
        rounded_ = true;
        if (const std::string defect = runs_defect(compressed, state.values.size()); !defect.empty())
            throw bad_record(defect);
        state.values = decompress(state.values, compressed, stopped_);
        return state;
    }

    kept_bytes next_block(uint64_t n_bytes, uint64_t expected, value_check when) {
        const uint64_t n_left = file_->size() - values_at_;
        if (n_bytes > n_left || padding_of((size_t) n_bytes) > n_left - n_bytes)
            throw bad_record("the values end too early");
        const size_t n_padding = padding_of((size_t) n_bytes);
        const uint64_t begin = values_at_;
        values_at_ += n_bytes + n_padding;
        const auto check = std::make_shared<const byte_check>(
            byte_check{ expected, n_padding, saved_session_failure(path_, "its values are damaged") });
        const kept_bytes unchecked(file_, begin, (size_t) n_bytes, check);
        if (when == value_check::when_used && file_->is_resident(begin, unchecked.size())) return unchecked;
        byte_pieces pieces(unchecked);
        pieces.take(unchecked.size(), [&](const uint8_t *, size_t, size_t) {
            if (stopped_()) throw failure(error_code::aborted, "aborted");
        });
        pieces.finish();
        return kept_bytes(file_, begin, (size_t) n_bytes);
    }

    const std::string & path_;
    std::shared_ptr<const file_reader> file_;
    const std::function<bool()> & stopped_;
    const value_check when_;
    std::optional<byte_reader> in_;
    uint64_t values_at_ = 0;
    size_t n_models_ = 0;
    bool rounded_ = false;  // values of a cache
};

}  // namespace

saved_session read_saved_session(const std::string & path, const std::function<bool()> & stopped, value_check when) {
    try {
        check_input_file(path, data_codes);
        return session_reader(path, stopped, when).read();
    } catch (const bad_record & error) {
        throw saved_session_failure(path, error.what());
    }
}

}  // namespace overfill
