#include "teacher.h"

#include "cache_rows.h"
#include "failure.h"
#include "find_translator.h"
#include "model_file.h"
#include "model_traits.h"
#include "output_paths.h"
#include "pair_plan.h"
#include "token_reader.h"
#include "translate_handover.h"

#include <algorithm>
#include <optional>

namespace overfill {

namespace {

// Tokens are read in pieces of this size, counted from position 0: how many tokens llama.cpp reads at once may change
// the last bits of its results, so a reading that goes on from another one must have had the same pieces. Small ones
// let more be kept; a device wants large ones.
constexpr uint32_t piece_on_cpu = 64, piece_on_device = 512;
// The student's context is a cache for the handover to write to, and reads nothing.
constexpr uint32_t smallest_batch = 8;

}  // namespace

struct teacher::state {
    state(const model_options & full, const std::string & student_path, const std::string & translator_path,
          uint32_t n_tokens, int32_t n_threads, const std::atomic<bool> & stop, prefix_rows rows)
        : n_tokens(n_tokens), piece(std::min(n_tokens, full.n_gpu_layers == 0 ? piece_on_cpu : piece_on_device)),
          stop(stop) {
        if (n_tokens == 0) throw failure(error_code::invalid_argument, "a teacher needs room for a token");
        const auto turn = wait_for_load_turn([&](float) { return !stop; });
        full_model = load(full);
        reader.emplace(full_model.get(), n_tokens, n_threads, stop, reader_options{ piece, false });
        if (!student_path.empty()) prepare_handover(full.path, student_path, translator_path, n_threads, rows);
    }

    model_ptr load(const model_options & options) const {
        model_ptr model = load_model(options, load_depth::weights, [&](float) { return !stop; });
        const model_traits traits = traits_of(model.get());
        check_supported(traits, options.path);
        check_plain_kv(traits, options.path, "healing takes prompts from a KV cache");
        return model;
    }

    void prepare_handover(const std::string & full_path, const std::string & student_path,
                          const std::string & translator_path, int32_t n_threads, prefix_rows kind) {
        // As for a pair of one model: what its metadata says of layers is about its own parent.
        if (translator_path.empty() && same_file(full_path, student_path))
            return read_rows_of(full_rows.emplace(reader->context()), traits_of(full_model.get()).n_layer, {});

        student_model = load({ student_path, 0 });
        const model_traits from = traits_of(full_model.get()), to = traits_of(student_model.get());
        how = find_translator({ translator_path, {}, "" }, full_path, from, student_path, to, &file);
        // Both caches are f32 and laid out alike, and rows can be read from any device.
        cache_traits cache;
        cache.type_k = cache.type_v = GGML_TYPE_F32;
        cache.v_transposed = true;
        const llama_vocab * student_vocab = llama_model_get_vocab(student_model.get());
        const pair_plan plan = plan_pair(from, reader->vocab(), cache, to, student_vocab, cache, how);
        check_handover(plan);
        full_rows.emplace(reader->context());
        if (plan.kind == handover_kind::share) {
            student_model.reset();
            return read_rows_of(*full_rows, to.n_layer, plan.layer_map);
        }
        student.emplace(student_model.get(), n_tokens, n_threads, stop, reader_options{ smallest_batch, false });
        translation steps = resolve_translation(reader->context(), student->context(), how);
        read_rows_of(student_rows.emplace(student->context()), to.n_layer, {});
        if (kind == prefix_rows::before_maps) take_mapped(steps);
        if (steps.steps.empty()) {
            student_rows.reset();
            student.reset();
            student_model.reset();
            return;
        }
        handover.emplace(reader->context(), student->context(), std::move(steps),
                         implementation_options{ implementation_choice::automatic, n_threads, "" });
    }

    // `map`: where the rows of the student's layers are; empty: at the same index.
    void read_rows_of(const cache_rows & from, uint32_t n_layer, const std::vector<int32_t> & map) {
        for (uint32_t il = 0; il < n_layer; il++) {
            const uint32_t layer = map.empty() ? il : (uint32_t) map[il];
            if (!from.layer(layer))
                throw failure(error_code::handover_unavailable, "layer " + std::to_string(layer) + " has no KV cache",
                              { { "layer", layer } });
            k.push_back({ &from, layer });
            v.push_back({ &from, layer });
        }
    }

    // Steps with a map are not taken: the rows before them are read in place of those behind.
    void take_mapped(translation & steps) {
        const auto end = std::stable_partition(steps.steps.begin(), steps.steps.end(),
                                               [](const translate_step & step) { return !step.map; });
        for (auto step = end; step != steps.steps.end(); ++step) {
            row_source & rows = (step->is_k ? k : v)[step->layer];
            rows = { &*full_rows, how.layers.empty() ? step->layer : (uint32_t) how.layers[step->layer] };
            if (step->unrotate) rows.head_size = step->from.head_size;
        }
        steps.steps.erase(end, steps.steps.end());
    }

    // Makes the full model's cache that of `tokens`. The logits of those from the `first`-th on go to `logits`.
    void hold(const std::vector<llama_token> & tokens, size_t first, std::vector<float> * logits) {
        if (tokens.size() > n_tokens)
            throw failure(error_code::context_overflow,
                          std::to_string(tokens.size()) + " tokens do not fit in " + std::to_string(n_tokens),
                          { { "tokens", tokens.size() } });
        const auto differs = std::mismatch(held.begin(), held.end(), tokens.begin(), tokens.end()).first;
        const size_t n_kept = std::min<size_t>((size_t) (differs - held.begin()), first) / piece * piece;
        held.resize(n_kept);
        // A reading that failed may have left more than what is held.
        reader->forget_from((llama_pos) n_kept);
        const size_t n_vocab = (size_t) llama_vocab_n_tokens(reader->vocab());
        for (size_t i = n_kept; i < tokens.size(); i += piece) {
            const size_t n = std::min<size_t>(piece, tokens.size() - i);
            const size_t n_silent = first > i ? std::min(first - i, n) : 0;
            if (n_silent == n) {
                reader->read(&tokens[i], (uint32_t) n, (llama_pos) i);
            } else {
                const float * values =
                    reader->read_with_logits(&tokens[i], (uint32_t) n, (llama_pos) i, (uint32_t) n_silent);
                logits->insert(logits->end(), values, values + (n - n_silent) * n_vocab);
            }
            held.insert(held.end(), tokens.begin() + (long) i, tokens.begin() + (long) (i + n));
        }
    }

    // Where K or V of one of the student's layers is read.
    struct row_source {
        const cache_rows * rows;
        uint32_t layer;
        uint32_t head_size = 0;  // of K that is wanted without its position encoding; 0: as it is stored
    };

    uint32_t n_tokens, piece;
    const std::atomic<bool> & stop;
    translator how;
    translator_file_info file;
    // The readers refer to the models; the handover and the rows to the readers.
    model_ptr full_model, student_model;
    std::optional<token_reader> reader, student;
    std::optional<translate_handover> handover;
    std::optional<cache_rows> full_rows, student_rows;
    std::vector<row_source> k, v;   // by the student's layer
    std::vector<llama_token> held;  // what the full model's cache is of, read in whole pieces and a rest
};

teacher::teacher(const model_options & full, const std::string & student_path, const std::string & translator_path,
                 uint32_t n_tokens, int32_t n_threads, const std::atomic<bool> & stop, prefix_rows rows)
    : state_(std::make_unique<state>(full, student_path, translator_path, n_tokens, n_threads, stop, rows)) {}

teacher::~teacher() = default;

const llama_vocab * teacher::vocab() const { return state_->reader->vocab(); }

const translator & teacher::how() const { return state_->how; }

ggml_type teacher::weight_type() const { return state_->file.weight_type; }

cached_prefix teacher::read(const std::vector<llama_token> & tokens) {
    state & s = *state_;
    if (s.k.empty()) throw failure(error_code::invalid_argument, "this teacher was made for logits only");
    cached_prefix out;
    if (tokens.empty()) return out;
    s.hold(tokens, tokens.size(), nullptr);
    if (s.handover) s.handover->run(0);
    out.n = (uint32_t) tokens.size();
    out.k.resize(s.k.size());
    out.v.resize(s.v.size());
    for (size_t il = 0; il < s.k.size(); il++) {
        const auto & [rows, layer, head_size] = s.k[il];
        if (head_size > 0)
            rows->read_k_before_rope(layer, out.n, head_size, out.k[il]);
        else
            rows->read_k(layer, out.n, out.k[il]);
        s.v[il].rows->read_v(s.v[il].layer, out.n, out.v[il]);
    }
    return out;
}

std::vector<float> teacher::logits(const std::vector<llama_token> & prefix, const std::vector<llama_token> & tokens) {
    std::vector<float> out;
    if (tokens.empty()) return out;
    std::vector<llama_token> all = prefix;
    all.insert(all.end(), tokens.begin(), tokens.end());
    out.reserve(tokens.size() * (size_t) llama_vocab_n_tokens(state_->reader->vocab()));
    state_->hold(all, prefix.size(), &out);
    return out;
}

}  // namespace overfill
