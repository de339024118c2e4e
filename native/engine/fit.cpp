#include "fit.h"

#include "cache_rows.h"
#include "chunk_sample.h"
#include "clock.h"
#include "corpus.h"
#include "failure.h"
#include "fingerprint.h"
#include "model_file.h"
#include "models.h"
#include "output_paths.h"
#include "pair_plan.h"
#include "ridge.h"
#include "thread_team.h"
#include "token_reader.h"
#include "translator_file.h"
#include "two_stage_loss.h"
#include "vocabulary.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

namespace overfill {

namespace {

constexpr uint32_t default_chunk_size = 512;
constexpr size_t smallest_chunk = 8;  // a shorter end of the text is left out

[[noreturn]] void refuse(const std::string & option, const std::string & why) {
    throw failure(error_code::invalid_argument, "options." + option + ": " + why,
                  { { "parameter", "options." + option } });
}

// One layer's regressions. A common map is fitted to K's and V's rows together, and measured on each.
struct layer_fit {
    layer_fit(uint32_t target, uint32_t source, const cached_layer & from, const cached_layer & to, bool common)
        : target(target), source(source), k(from.n_embd_k, to.n_embd_k), held_out_k(from.n_embd_k, to.n_embd_k),
          held_out_v(from.n_embd_v, to.n_embd_v) {
        if (!common) v.emplace(from.n_embd_v, to.n_embd_v);
    }

    uint32_t target, source;
    moments k;
    std::optional<moments> v;  // none: common with K
    moments held_out_k, held_out_v;
};

class fitting {
  public:
    fitting(const fit_options & options, const std::function<void(const fit_progress &)> & on_progress,
            const std::atomic<bool> & stop)
        : options_(options), on_progress_(on_progress), stop_(stop), team_(options.n_threads) {}

    fit_result run() {
        const stopwatch watch;
        // What can be refused without the models is refused before the long load begins.
        check_text_file(options_.text_path);
        check_writable(options_.out_path, /*is_text*/ false);
        {
            const auto turn = wait_for_load_turn([this](float) { return !stop_; });
            load();
            choose_layers();
            make_readers();
        }
        read_text();
        solve();
        measure();
        check_stop();
        result_.n_bytes = write_translator(options_.out_path, result_.translator, options_.weight_type);
        result_.milliseconds = watch.milliseconds();
        return std::move(result_);
    }

  private:
    translator & out() { return result_.translator; }

    void check_stop() const {
        if (stop_) throw failure(error_code::aborted, "aborted");
    }

    void report(fit_stage stage, double fraction) const {
        check_stop();
        on_progress_({ stage, fraction, n_tokens_ });
    }

    void load() {
        const double bytes_a = (double) check_model_file(options_.prefill.path).n_bytes;
        const double bytes_b = (double) check_model_file(options_.decode.path).n_bytes;
        const double share = bytes_a / (bytes_a + bytes_b);
        const auto load_one = [&](const model_options & from, double begin, double part, model_traits & traits) {
            model_ptr model = load_model(from, load_depth::weights, [&](float progress) {
                if (stop_) return false;
                on_progress_({ fit_stage::loading, begin + part * progress, 0 });
                return true;
            });
            traits = traits_of(model.get());
            check_supported(traits, from.path);
            check_plain_kv(traits, from.path, "a translator is fitted to KV caches");
            return model;
        };
        prefill_model_ = load_one(options_.prefill, 0, share, from_);
        decode_model_ = load_one(options_.decode, share, 1 - share, to_);

        const auto difference = compare_vocabularies(llama_model_get_vocab(prefill_model_.get()),
                                                     llama_model_get_vocab(decode_model_.get()));
        if (!difference.equal)
            throw failure(error_code::pair_incompatible, "the two models do not make a pair: " + difference.message,
                          { { "vocabulary", difference.prefill + " | " + difference.decode } });
        out().source_fingerprint = model_fingerprint(options_.prefill.path);
        out().target_fingerprint = model_fingerprint(options_.decode.path);
        out().source_name = name_of(from_, options_.prefill.path);
        out().target_name = name_of(to_, options_.decode.path);
        out().before_rope = options_.before_rope;
    }

    static std::string name_of(const model_traits & model, const std::string & path) {
        return model.name.empty() ? std::filesystem::u8path(path).filename().u8string() : model.name;
    }

    void choose_layers() {
        out().layers = options_.layers;
        if (options_.layers.empty() && !options_.layer_map.empty()) {
            out().layers = named_layer_map(options_.layer_map, from_.n_layer, to_.n_layer);
            if (out().layers.empty())
                refuse("layers", "there is no layer map '" + options_.layer_map + "' from " +
                                     std::to_string(from_.n_layer) + " to " + std::to_string(to_.n_layer) + " layers");
        } else if (options_.layers.empty() && from_.n_layer != to_.n_layer) {
            out().layers = named_layer_map("spaced", from_.n_layer, to_.n_layer);
        }
        if (out().layers.empty()) return;
        if (out().layers.size() != to_.n_layer)
            refuse("layers", "the layer map has " + std::to_string(out().layers.size()) + " layers, the decode model " +
                                 std::to_string(to_.n_layer));
        for (const int32_t layer : out().layers)
            if (layer < 0 || layer >= (int32_t) from_.n_layer)
                refuse("layers", "the layer map names layer " + std::to_string(layer) + " of a prefill model with " +
                                     std::to_string(from_.n_layer) + " layers");
    }

    void make_readers() {
        const uint32_t trained = std::min(from_.n_ctx_train, to_.n_ctx_train);
        chunk_size_ = options_.chunk_size ? options_.chunk_size : std::min(default_chunk_size, trained);
        if (chunk_size_ > trained)
            refuse("chunkSize", "the models were trained on " + std::to_string(trained) + " tokens, fewer than the " +
                                    std::to_string(chunk_size_) + " of a chunk");
        prefill_.emplace(prefill_model_.get(), chunk_size_, options_.n_threads, stop_);
        decode_.emplace(decode_model_.get(), chunk_size_, options_.n_threads, stop_);
        source_.emplace(prefill_->context());
        target_.emplace(decode_->context());

        for (uint32_t i = 0; i < to_.n_layer; i++) {
            const cached_layer * to = target_->layer(i);
            if (!to) continue;
            const uint32_t layer = out().layers.empty() ? i : (uint32_t) out().layers[i];
            const cached_layer * from = source_->layer(layer);
            if (!from) refuse("layers", "layer " + std::to_string(layer) + " of the prefill model has no KV cache");
            if (options_.common_map && (from->n_embd_k != from->n_embd_v || to->n_embd_k != to->n_embd_v))
                refuse("maps", "K and V differ in size, so they cannot share a map");
            for (const uint32_t n_in : { from->n_embd_k, from->n_embd_v })
                check_weight_type(options_.weight_type, n_in);
            fits_.push_back(std::make_unique<layer_fit>(i, layer, *from, *to, options_.common_map));
        }
    }

    void read_text() {
        corpus text(options_.text_path, prefill_->vocab(), chunk_size_);
        const size_t period = std::max<size_t>(2, (size_t) std::lround(1 / options_.held_out));
        size_t n_chunks = 0;
        while (options_.max_tokens == 0 || n_tokens_ < options_.max_tokens) {
            std::vector<llama_token> chunk = text.next();
            if (options_.max_tokens > 0)
                chunk.resize((size_t) std::min<uint64_t>(chunk.size(), options_.max_tokens - n_tokens_));
            if (chunk.size() < smallest_chunk) break;
            // The second chunk is the first one held out, so that any two chunks are enough.
            const bool held_out = n_chunks++ % period == 1;
            read_chunk(chunk, held_out);
            if (held_out) loss_chunks_.offer(chunk);
            (held_out ? result_.n_held_out_tokens : out().n_fit_tokens) += chunk.size();
            n_tokens_ += chunk.size();
            const double of_limit = options_.max_tokens > 0 ? (double) n_tokens_ / (double) options_.max_tokens : 0;
            report(fit_stage::reading, std::min(1.0, std::max(text.fraction(), of_limit)));
        }
        if (n_chunks < 2)
            refuse("text", "the text has " + std::to_string(n_tokens_) + " tokens; at least " +
                               std::to_string(chunk_size_ + smallest_chunk) +
                               " are needed, and a hundred thousand are better");
    }

    void read_chunk(const std::vector<llama_token> & chunk, bool held_out) {
        const uint32_t n = (uint32_t) chunk.size();
        for (token_reader * reader : { &*prefill_, &*decode_ }) {
            reader->clear();
            reader->read(chunk.data(), n, 0);
        }
        for (auto & layer : fits_) {
            check_stop();
            read_k(*source_, layer->source, n, from_, x_);
            read_k(*target_, layer->target, n, to_, y_);
            (held_out ? layer->held_out_k : layer->k).add(team_, x_.data(), y_.data(), n);
            source_->read_v(layer->source, n, x_);
            target_->read_v(layer->target, n, y_);
            (held_out ? layer->held_out_v : layer->v ? *layer->v : layer->k).add(team_, x_.data(), y_.data(), n);
        }
    }

    void read_k(const cache_rows & cache, uint32_t layer, uint32_t n, const model_traits & model,
                std::vector<float> & rows) const {
        if (options_.before_rope)
            cache.read_k_before_rope(layer, n, model.layers[layer].head_size_k, rows);
        else
            cache.read_k(layer, n, rows);
    }

    std::shared_ptr<const linear_map> solve_one(const moments & data) {
        auto map = std::make_shared<linear_map>(solve_ridge(team_, data, options_.lambda));
        // What the file will hold is what is measured.
        round_weights(*map, options_.weight_type);
        set_bias(*map, data);
        return map;
    }

    void solve() {
        out().k.resize(to_.n_layer);
        out().v.resize(to_.n_layer);
        out().error_k.resize(to_.n_layer);
        out().error_v.resize(to_.n_layer);
        for (size_t i = 0; i < fits_.size(); i++) {
            report(fit_stage::solving, (double) i / (double) fits_.size());
            layer_fit & layer = *fits_[i];
            const auto k = solve_one(layer.k), v = layer.v ? solve_one(*layer.v) : k;
            out().error_k[layer.target] = (float) relative_error(team_, layer.held_out_k, *k);
            out().error_v[layer.target] = (float) relative_error(team_, layer.held_out_v, *v);
            out().k[layer.target] = k;
            out().v[layer.target] = v;
            fits_[i].reset();
        }
    }

    void measure() {
        translator plain;
        plain.layers = out().layers;
        two_stage_loss mapped(*prefill_, *decode_, out(), options_.n_threads);
        std::optional<two_stage_loss> unmapped;
        try {
            unmapped.emplace(*prefill_, *decode_, plain, options_.n_threads);
        } catch (const failure & error) {
            // Where the caches do not fit without maps, the decode model has to do without the prompt.
            if (error.code() != error_code::handover_unavailable) throw;
        }
        loss_sum alone, without_prompt;
        const auto & chunks = loss_chunks_.chunks();
        for (size_t i = 0; i < chunks.size(); i++) {
            report(fit_stage::measuring, (double) i / (double) chunks.size());
            mapped.add(chunks[i], false);
            if (unmapped)
                unmapped->add(chunks[i], true);
            else
                add_loss_alone(*decode_, chunks[i], false, without_prompt);
            add_loss_alone(*decode_, chunks[i], true, alone);
        }
        out().loss.alone = alone.mean();
        out().loss.mapped = mapped.sum().mean();
        out().loss.unmapped = unmapped ? unmapped->sum().mean() : without_prompt.mean();
        for (const double loss : { out().loss.alone, out().loss.mapped, out().loss.unmapped })
            if (!std::isfinite(loss))
                throw failure(error_code::inference_failed, "the models' logits are not finite numbers");
    }

    const fit_options & options_;
    const std::function<void(const fit_progress &)> & on_progress_;
    const std::atomic<bool> & stop_;
    thread_team team_;
    fit_result result_;

    // The readers refer to the models, the rows to the readers.
    model_ptr prefill_model_, decode_model_;
    model_traits from_, to_;
    std::optional<token_reader> prefill_, decode_;
    std::optional<cache_rows> source_, target_;
    std::vector<std::unique_ptr<layer_fit>> fits_;
    chunk_sample loss_chunks_;
    uint32_t chunk_size_ = 0;
    uint64_t n_tokens_ = 0;
    std::vector<float> x_, y_;  // reused
};

}  // namespace

fit_result fit(const fit_options & options, const std::function<void(const fit_progress &)> & on_progress,
               const std::atomic<bool> & stop) {
    return fitting(options, on_progress, stop).run();
}

}  // namespace overfill
