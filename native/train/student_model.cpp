#include "student_model.h"

#include "failure.h"
#include "visible_attention.h"
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

static low_rank low_rank_of(const lora_options & lora, uint64_t seed) {
    low_rank out;
    out.rank = lora.rank;
    if (out.rank > 0 && lora.alpha > 0) out.factor = lora.alpha / (float) out.rank;
    out.seed = seed;
    if (!lora.targets.empty())
        out.targets = [patterns = lora.targets](const std::string & name) {
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

static bool trains_reader(const heal_options & options) { return options.side != train_side::writer; }

// The full model beside the graph: it reads for a student that is trained alone, and it is distilled from as it was.
static std::unique_ptr<teacher> teacher_of(const heal_options & options, uint32_t context_size,
                                           const std::atomic<bool> & stop) {
    const bool needs_cache = options.sequences.mode == train_mode::overfill && !trains_reader(options);
    if (!needs_cache && options.distil.share == 0) return nullptr;
    return std::make_unique<teacher>(options.full, needs_cache ? options.student.path : "",
                                     needs_cache ? options.translator_path : "", context_size, options.n_threads, stop,
                                     options.train_translator ? prefix_rows::before_maps : prefix_rows::handed_over);
}

static std::optional<training_shape> reader_shape_of(const heal_options & options, uint32_t context_size) {
    if (!trains_reader(options)) return std::nullopt;
    return training_shape_of(options.full.path, context_size);
}

static reader_handover handover_of(const heal_options & options, const std::optional<training_shape> & reader,
                                   const training_shape & writer, const std::atomic<bool> & stop) {
    if (!reader) return {};
    return plan_reader_handover(options.full.path, *reader, options.student.path, writer, options.translator_path,
                                stop);
}

// Maps that the graph applies: those that are trained, and all that stand between a reader that is and its writer.
static std::vector<added_parameter> maps_of(const heal_options & options, const translator * how) {
    if (!how) return {};
    if (options.train_translator && !how->has_maps())
        throw failure(error_code::invalid_argument,
                      "options.trainTranslator: the full model's cache is handed over without linear maps",
                      { { "parameter", "options.trainTranslator" } });
    std::vector<added_parameter> maps = trained_maps::parameters_of(*how);
    for (added_parameter & map : maps) map.trained = options.train_translator;
    return maps;
}

static parameter_filter trained_of_student(const heal_options & options) {
    if (options.side == train_side::reader) return [](const std::string &) { return false; };
    return all_but(options.freeze);
}

static parameter_list joined(const parameter_set & student, const trained_reader * reader) {
    parameter_list out = student.trained();
    if (reader) out.insert(out.end(), reader->parameters().trained().begin(), reader->parameters().trained().end());
    return out;
}

// Where the graph applies maps: null where the rows come to it as they have to be.
static const translator * applied(const heal_options & options, const reader_handover & handed,
                                  const teacher * teacher) {
    if (trains_reader(options)) return &handed.how;
    return options.train_translator ? &teacher->how() : nullptr;
}

student_model::student_model(const heal_options & options, const llama_vocab * vocab, uint32_t context_size,
                             const std::atomic<bool> & stop)
    : needs_cache_(options.sequences.mode == train_mode::overfill), distils_(options.distil.share > 0),
      limits_(options.limits), shape_(training_shape_of(options.student.path, context_size)),
      reader_shape_(reader_shape_of(options, context_size)), handed_(handover_of(options, reader_shape_, shape_, stop)),
      teacher_(teacher_of(options, context_size, stop)), device_(device_of(options.student), options.n_threads),
      steady_device_(device_of(options.student), options.n_threads),
      parameters_(options.student.path, device_, trained_of_student(options), low_rank_of(options.lora, options.seed),
                  maps_of(options, applied(options, handed_, teacher_.get())),
                  // Never written, and of any type that it is used in.
                  options.side == train_side::reader ? frozen_weights::as_stored : frozen_weights::as_f32),
      reader_(reader_shape_
                  ? std::make_unique<trained_reader>(options.full.path, std::move(*reader_shape_), handed_.links,
                                                     device_, nullptr, low_rank_of(options.reader_lora, options.seed))
                  : nullptr),
      trained_(joined(parameters_, reader_.get())), gradients_(trained_, device_),
      maps_(applied(options, handed_, teacher_.get())
                ? trained_maps(*applied(options, handed_, teacher_.get()), parameters_)
                : trained_maps()),
      decoder_(shape_, parameters_, device_, maps_), optimiser_(trained_, gradients_, steady_device_, options.adam),
      graphs_(shape_, decoder_, device_, parameters_, gradients_, options.distil,
              reader_ ? &reader_->graph() : nullptr) {
    if (trained_.empty())
        throw failure(error_code::invalid_argument, "options.freeze leaves nothing to train",
                      { { "parameter", "options.freeze" } });
    device_.stop_with(stop);
    limits_.row_tokens = needs_cache_ ? 0 : context_size;
    limits_.key_cost = key_cost(shape_, parameters_);
    if (device_.is_cpu() && shape_.attention_cap == 0) limits_.key_block = (uint32_t) visible_block;
    if (reader_) {
        // The room for a prompt is computed as well, whether or not there are tokens in it.
        limits_.counts_prefix = true;
        limits_.prefix_bucket = std::min(limits_.prefix_bucket, limits_.token_bucket);
    }
    if (!teacher_) return;
    // Also where only logits are read: a row of them is a row of the student's.
    const auto difference = compare_vocabularies(teacher_->vocab(), vocab);
    if (!difference.equal)
        throw failure(error_code::pair_incompatible, "the two models do not make a pair: " + difference.message,
                      { { "vocabulary", difference.prefill + " | " + difference.decode } });
}

uint64_t student_model::n_trained() const {
    uint64_t n = 0;
    for (const ggml_tensor * tensor : trained_) n += (uint64_t) ggml_nelements(tensor);
    return n;
}

uint64_t student_model::weight_bytes() const {
    return parameters_.n_bytes() + (reader_ ? reader_->parameters().n_bytes() : 0);
}

translator student_model::how() const {
    translator out = reader_ ? handed_.how : teacher_->how();
    maps_.put_values(out);
    return out;
}

ggml_type student_model::weight_type() const { return reader_ ? handed_.weight_type : teacher_->weight_type(); }

// The first token of a response is the reader's own: it is learned with the rest, lest the reader forgets to give it.
// Where the student reads a part of the prompt, what comes behind the prefix is not the reader's to give.
void student_model::add_reading(const train_sequence & sequence, float weight, bool trains, micro_batch & batch,
                                float * logits) {
    reader_input one;
    one.tokens = sequence.prefix;
    one.first = sequence.tokens[0];
    one.weight = !sequence.prefix.empty() && sequence.first_target == 0 ? weight : 0.0f;
    if (trains && distils_) {
        const size_t n_vocab = shape_.n_vocab;
        one.teacher.assign(n_vocab, 0.0f);
        std::vector<llama_token> before = sequence.prefix, read = sequence.tokens;
        if (!before.empty()) {
            read.insert(read.begin(), before.back());
            before.pop_back();
        }
        const std::vector<float> all = teacher_->logits(before, read);
        const auto rest = all.end() - (std::ptrdiff_t)(sequence.tokens.size() * n_vocab);
        std::copy(all.begin(), rest, one.teacher.begin());
        std::copy(rest, all.end(), logits);
    }
    batch.data.readings.push_back(std::move(one));
}

// What the full model gives to a batch: caches of the prefixes, logits of the rest.
void student_model::add_teacher(const std::vector<train_sequence> & sequences, micro_batch & batch, bool trains) {
    const size_t n_vocab = shape_.n_vocab, n_tokens = batch.shape.n_tokens;
    uint64_t n_targets = 0;
    for (const train_sequence & sequence : sequences) n_targets += sequence.n_targets();
    if (trains && distils_) batch.data.teacher.assign(batch.data.tokens.size() * n_vocab, 0.0f);
    for (size_t r = 0; r < batch.rows.size(); r++) {
        size_t at = r * n_tokens;
        if (reader_ && batch.shape.n_prefix > 0) {
            float * logits = batch.data.teacher.empty() ? nullptr : &batch.data.teacher[at * n_vocab];
            add_reading(sequences[batch.rows[r][0]], (float) (1.0 / (double) n_targets), trains, batch, logits);
            continue;
        }
        if (batch.shape.n_prefix > 0) {
            const std::vector<llama_token> & prefix = sequences[batch.rows[r][0]].prefix;
            batch.data.prefixes.push_back(prefix.empty() ? cached_prefix{} : teacher_->read(prefix));
        }
        if (!trains || !distils_) continue;
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
        sums.n_tokens += sequence.tokens.size() + (reader_ ? sequence.prefix.size() : 0);
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
