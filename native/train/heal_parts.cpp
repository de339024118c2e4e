#include "heal_parts.h"

#include "heal_checks.h"

#include <llama.h>

#include <algorithm>
#include <cmath>

namespace overfill {

static constexpr uint32_t default_context = 2048;

static uint32_t context_of(const heal_options & options, const llama_model * model) {
    if (options.context_size > 0) return options.context_size;
    return std::max<uint32_t>(2, std::min<uint32_t>(default_context, (uint32_t) llama_model_n_ctx_train(model)));
}

static uint64_t n_steps_of(const heal_options & options, const source_options & source, const llama_model * model,
                           const std::atomic<bool> & stop) {
    if (options.max_steps > 0) return options.max_steps;
    const double n_examples = options.epochs * (double) count_examples(source, model, stop);
    return std::max<uint64_t>(1, (uint64_t) std::ceil(n_examples / options.batch_size));
}

static std::optional<evaluation_set> held_out_of(const heal_options & options, uint32_t context_size,
                                                 const llama_model * model,
                                                 const example_stream::report & on_bad_line) {
    if (options.eval_path.empty()) return std::nullopt;
    const source_options source{ options.eval_path, context_size, /*window*/ 1, options.seed };
    return evaluation_set(source, model, options.sequences, options.max_bad_lines, options.max_eval_examples,
                          on_bad_line);
}

static model_ptr model_of(const heal_options & options, const std::atomic<bool> & stop) {
    model_ptr model = load_model({ options.student.path, 0 }, load_depth::metadata, [&](float) { return !stop; });
    check_named_translator(options);
    return model;
}

heal_parts::heal_parts(const heal_options & options, const heal_events & events, const std::atomic<bool> & stop)
    : model(model_of(options, stop)),
      context_size(context_of(options, model.get())), source{ options.data_path, context_size, options.shuffle_window,
                                                              options.seed },
      data(source, model.get(), options.sequences, options.max_bad_lines, events.on_bad_line),
      held_out(held_out_of(options, context_size, model.get(), events.on_bad_line)),
      n_steps(n_steps_of(options, source, model.get(), stop)),
      student(options, llama_model_get_vocab(model.get()), context_size, stop) {}

}  // namespace overfill
