#include "student_model.h"

#include "failure.h"
#include "vocabulary.h"

#include <algorithm>

namespace overfill {

bool fits_pattern(const std::string & name, const std::string & pattern) {
    // Where the last star stands, and the first character that it has not taken yet.
    size_t n = 0, p = 0, star = std::string::npos, taken = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            taken = n;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
            p++;
            n++;
        } else if (star != std::string::npos) {
            p = star + 1;
            n = ++taken;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string::npos;
}

static parameter_filter all_but(const std::vector<std::string> & frozen) {
    return [frozen](const std::string & name) {
        return std::none_of(frozen.begin(), frozen.end(),
                            [&](const std::string & pattern) { return fits_pattern(name, pattern); });
    };
}

static low_rank low_rank_of(const heal_options & options) {
    low_rank out;
    out.rank = options.lora.rank;
    if (out.rank > 0 && options.lora.alpha > 0) out.factor = options.lora.alpha / (float) out.rank;
    out.seed = options.seed;
    if (!options.lora.targets.empty())
        out.targets = [patterns = options.lora.targets](const std::string & name) {
            return std::any_of(patterns.begin(), patterns.end(),
                               [&](const std::string & pattern) { return fits_pattern(name, pattern); });
        };
    return out;
}

// As llama.cpp does, a wish for a GPU is a wish: without one it is the CPU.
static ggml_backend_dev_t device_of(const model_options & student) {
    for (const auto type : { GGML_BACKEND_DEVICE_TYPE_GPU, GGML_BACKEND_DEVICE_TYPE_IGPU })
        if (const auto device = student.n_gpu_layers == 0 ? nullptr : ggml_backend_dev_by_type(type)) return device;
    return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
}

// Scores and what is summed up by them are two products for each key; the softmax between them, which is no product,
// costs about as much again (measured with models of 1 and 5 million parameters). All else goes by the parameters.
static double key_cost(const training_shape & shape, const parameter_set & parameters) {
    double n_values = 0;
    for (const ggml_tensor * weight : parameters.all()) n_values += (double) ggml_nelements(weight);
    const double by_key = (double) shape.layers.size() * shape.n_head * (shape.head_size_k + shape.head_size_v);
    return 2 * by_key / n_values;
}

static std::unique_ptr<teacher> teacher_of(const heal_options & options, uint32_t context_size,
                                           const std::atomic<bool> & stop) {
    const bool needs_cache = options.sequences.mode == train_mode::overfill;
    if (!needs_cache && options.distil.share == 0) return nullptr;
    auto made = std::make_unique<teacher>(
        options.full, needs_cache ? options.student.path : "", options.translator_path, context_size, options.n_threads,
        stop, options.train_translator ? prefix_rows::before_maps : prefix_rows::handed_over);
    if (options.train_translator && !made->how().has_maps())
        throw failure(error_code::invalid_argument,
                      "options.trainTranslator: the full model's cache is handed over without linear maps",
                      { { "parameter", "options.trainTranslator" } });
    return made;
}

static std::vector<added_parameter> maps_of(const heal_options & options, const teacher * full) {
    return options.train_translator ? trained_maps::parameters_of(full->how()) : std::vector<added_parameter>();
}

student_model::student_model(const heal_options & options, const llama_vocab * vocab, uint32_t context_size,
                             const std::atomic<bool> & stop)
    : needs_cache_(options.sequences.mode == train_mode::overfill), distils_(options.distil.share > 0),
      limits_(options.limits), shape_(training_shape_of(options.student.path, context_size)),
      teacher_(teacher_of(options, context_size, stop)), device_(device_of(options.student), options.n_threads),
      steady_device_(device_of(options.student), options.n_threads),
      parameters_(options.student.path, device_, all_but(options.freeze), low_rank_of(options),
                  maps_of(options, teacher_.get())),
      gradients_(parameters_, device_),
      maps_(options.train_translator ? trained_maps(teacher_->how(), parameters_) : trained_maps()),
      decoder_(shape_, parameters_, device_, maps_), optimiser_(parameters_, gradients_, steady_device_, options.adam),
      graphs_(shape_, decoder_, device_, parameters_, gradients_, options.distil) {
    if (parameters_.trained().empty())
        throw failure(error_code::invalid_argument, "options.freeze leaves nothing to train",
                      { { "parameter", "options.freeze" } });
    device_.stop_with(stop);
    limits_.row_tokens = needs_cache_ ? 0 : context_size;
    limits_.key_cost = key_cost(shape_, parameters_);
    if (!teacher_) return;
    // Also where only logits are read: a row of them is a row of the student's.
    const auto difference = compare_vocabularies(teacher_->vocab(), vocab);
    if (!difference.equal)
        throw failure(error_code::pair_incompatible, "the two models do not make a pair: " + difference.message,
                      { { "vocabulary", difference.prefill + " | " + difference.decode } });
}

translator student_model::how() const {
    translator out = teacher_->how();
    maps_.put_values(out);
    return out;
}

// What the full model gives to a batch: caches of the prefixes, logits of the rest.
void student_model::add_teacher(const std::vector<train_sequence> & sequences, micro_batch & batch, bool trains) {
    const size_t n_vocab = shape_.n_vocab, n_tokens = batch.shape.n_tokens;
    if (trains && distils_) batch.data.teacher.assign(batch.data.tokens.size() * n_vocab, 0.0f);
    for (size_t r = 0; r < batch.rows.size(); r++) {
        if (batch.shape.n_prefix > 0) {
            const std::vector<llama_token> & prefix = sequences[batch.rows[r][0]].prefix;
            batch.data.prefixes.push_back(prefix.empty() ? cached_prefix{} : teacher_->read(prefix));
        }
        if (!trains || !distils_) continue;
        size_t at = r * n_tokens;
        for (const size_t s : batch.rows[r]) {
            const std::vector<float> logits = teacher_->logits(sequences[s].prefix, sequences[s].tokens);
            std::copy(logits.begin(), logits.end(), batch.data.teacher.begin() + (std::ptrdiff_t)(at * n_vocab));
            at += sequences[s].tokens.size();
        }
    }
}

pass_sums student_model::pass(const std::vector<train_sequence> & sequences, bool trains) {
    pass_sums sums;
    for (const train_sequence & sequence : sequences) {
        sums.n_tokens += sequence.tokens.size();
        sums.n_targets += sequence.n_targets();
    }
    for (micro_batch & batch : make_micro_batches(sequences, limits_)) {
        training_graph & graph = graphs_.get(batch.shape, trains);
        add_teacher(sequences, batch, trains);
        const train_loss loss = graph.run(batch.data);
        sums.cross_entropy += loss.cross_entropy;
        sums.divergence += loss.divergence;
        sums.total += loss.total;
    }
    return sums;
}

}  // namespace overfill
