#include "compared_models.h"

#include "failure.h"
#include "find_translator.h"
#include "gguf_metadata.h"
#include "model_file.h"
#include "output_paths.h"

#include <algorithm>
#include <optional>

namespace overfill {

void for_writer(const pair_options & options, const std::string & name, const std::function<void()> & work) {
    if (!options.names_writers()) return work();
    try {
        work();
    } catch (const failure & error) {
        if (error.code() == error_code::aborted) throw;
        throw failure(error.code(), "writer \"" + name + "\": " + error.what(), error.details());
    }
}

static model_traits traits_at(const llama_model * model, load_depth depth, const std::string & path) {
    model_traits traits = traits_of(model);
    check_supported(traits, path);
    if (depth == load_depth::metadata && !traits.rope_factors.empty()) {
        // The model was loaded without its weights, and these few are weights too.
        const gguf_metadata meta(path);
        traits.rope_factors.clear();
        for (const char * name : { "rope_factors_long.weight", "rope_factors_short.weight", "rope_freqs.weight" })
            for (const float factor : meta.tensor(name)) traits.rope_factors.push_back(factor);
    }
    return traits;
}

namespace {

// The load of a pair's models, one after the other.
class pair_load {
  public:
    pair_load(const pair_options & options, load_depth depth, const std::function<bool(float)> & on_progress)
        : options_(options), depth_(depth), on_progress_(on_progress), writers_(options.writers()) {}

    compared_models run() {
        look_at_files();
        model_options prefill = options_.prefill;
        prefill.writes = false;
        for (size_t i = 0; i < writers_.size(); i++) prefill.writes = prefill.writes || is_prefill(i);
        out_.prefill = load(prefill, bytes_);
        out_.prefill_traits = traits_at(out_.prefill.get(), depth_, options_.prefill.path);
        out_.prefill_adapters =
            load_adapters(out_.prefill.get(), options_.prefill_adapters, "prefill", depth_, {}, still_wanted());
        for (size_t i = 0; i < writers_.size(); i++)
            for_writer(options_, writers_[i].name, [&] { out_.writers.push_back(load_writer(i)); });
        return std::move(out_);
    }

  private:
    // One file's weights are loaded once, unless they go to other devices the second time.
    static bool same_weights(const model_options & a, const model_options & b) {
        return same_file(a.path, b.path) && a.n_gpu_layers == b.n_gpu_layers && a.remote == b.remote;
    }

    // A missing file is found before the long load begins. The sizes weigh the progress of the loads.
    void look_at_files() {
        bytes_ = total_ = (double) check_model_file(options_.prefill.path).n_bytes;
        for (const adapter_options & adapter : options_.prefill_adapters) check_gguf_file(adapter.path);
        for (size_t i = 0; i < writers_.size(); i++)
            for_writer(options_, writers_[i].name, [&] {
                own_bytes_.push_back(loaded_before(i) ? 0 : (double) check_model_file(writers_[i].model.path).n_bytes);
                total_ += own_bytes_.back();
                for (const adapter_options & adapter : writers_[i].adapters) check_gguf_file(adapter.path);
            });
    }

    bool is_prefill(size_t i) const {
        return writers_[i].model.path.empty() || same_weights(options_.prefill, writers_[i].model);
    }
    // The writer before this one that has the same weights.
    std::optional<size_t> twin_of(size_t i) const {
        for (size_t j = 0; j < i; j++)
            if (!is_prefill(j) && same_weights(writers_[j].model, writers_[i].model)) return j;
        return std::nullopt;
    }
    bool loaded_before(size_t i) const { return is_prefill(i) || twin_of(i); }

    std::function<bool()> still_wanted() const {
        return [this] { return on_progress_((float) (done_ / total_)); };
    }

    model_ptr load(const model_options & model, double n_bytes) {
        model_ptr loaded = load_model(
            model, depth_, [&](float p) { return on_progress_((float) ((done_ + n_bytes * (double) p) / total_)); });
        done_ += n_bytes;
        return loaded;
    }

    compared_writer load_writer(size_t i) {
        const writer_options & asked = writers_[i];
        compared_writer out;
        out.name = asked.name;
        if (is_prefill(i)) {
            const bool one = asked.model.path.empty() || (!options_.asks_for_two_caches(asked) &&
                                                          same_adapters(options_.prefill_adapters, asked.adapters));
            out.traits = out_.prefill_traits;
            if (one) {
                out.adapters = out_.prefill_adapters;
                out.plan.one_model = out.plan.one_file = true;
                return out;
            }
            out.model = out_.prefill;
        } else if (const std::optional<size_t> twin = twin_of(i)) {
            out.model = out_.writers[*twin].model;
            out.traits = out_.writers[*twin].traits;
        } else {
            out.model = load(asked.model, own_bytes_[i]);
            out.traits = traits_at(out.model.get(), depth_, asked.model.path);
        }
        adapter_list shared;
        const auto share = [&](const std::shared_ptr<llama_model> & model, const adapter_list & adapters) {
            if (model == out.model) shared.insert(shared.end(), adapters.begin(), adapters.end());
        };
        share(out_.prefill, out_.prefill_adapters);
        for (const compared_writer & before : out_.writers) share(before.model, before.adapters);
        out.adapters = load_adapters(out.model.get(), asked.adapters, "decode", depth_, shared, still_wanted());
        compare(asked, out);
        return out;
    }

    void compare(const writer_options & asked, compared_writer & out) const {
        cache_traits a, b;
        a.type_k = options_.cache_type_k;
        a.type_v = options_.cache_type_v;
        a.v_transposed = options_.attention == flash_attention::off;
        b.type_k = asked.cache_type_k.value_or(options_.cache_type_k);
        b.type_v = asked.cache_type_v.value_or(options_.cache_type_v);
        b.v_transposed = asked.attention.value_or(options_.attention) == flash_attention::off;
        a.device = cache_devices(out_.prefill.get());
        b.device = cache_devices(out.model.get());
        out.how = find_translator({ asked.translator_path, asked.layers, asked.layer_rule }, options_.prefill.path,
                                  out_.prefill_traits, asked.model.path, out.traits);
        out.plan = plan_pair(out_.prefill_traits, llama_model_get_vocab(out_.prefill.get()), a, out.traits,
                             llama_model_get_vocab(out.model.get()), b, out.how);
        out.plan.one_file = out.model == out_.prefill;
    }

    const pair_options & options_;
    load_depth depth_;
    const std::function<bool(float)> & on_progress_;
    std::vector<writer_options> writers_;
    double bytes_ = 0, total_ = 0, done_ = 0;  // of the prefill model, of all, of what is loaded
    std::vector<double> own_bytes_;            // by writer; 0: loaded before
    compared_models out_;
};

}  // namespace

compared_models load_and_compare(const pair_options & options, load_depth depth,
                                 const std::function<bool(float)> & on_progress) {
    return pair_load(options, depth, on_progress).run();
}

}  // namespace overfill
