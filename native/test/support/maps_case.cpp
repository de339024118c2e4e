#include "maps_case.h"

#include "fingerprint.h"
#include "translator_file.h"

namespace overfill::test {

maps_case::maps_case(const map_kind & kind, const tiny_model & shape) : full(full_shape()), student(shape) {
    translator how = random_translator(kind, shape.n_layer, 32, shape.n_head_kv * shape.head_size, random);
    how.layers = { 0, 2 };
    how.source_fingerprint = model_fingerprint(full.str());
    how.target_fingerprint = model_fingerprint(student.str());
    how.source_name = "full";
    how.error_k = how.error_v = { 0.25f, 0.5f };
    how.loss.mapped = 2;
    how.n_fit_tokens = 1000;
    options.full = { full.str(), 0 };
    options.student = { student.str(), 0 };
    options.sequences.mode = train_mode::overfill;
    options.translator_path = folder.file("translator.gguf");
    options.translator_out_path = folder.file("trained.gguf");
    options.train_translator = true;
    options.eval_path = folder.file("eval.jsonl");
    options.adam.decay = 0;
    write_translator(options.translator_path, how, GGML_TYPE_F32);
    std::string lines;
    for (int i = 0; i < 8; i++)
        lines += "{\"prompt\":\"question " + std::to_string(i * 7919) + "\",\"response\":\"answer " +
                 std::to_string(i * 104729) + "\"}\n";
    put_bytes(options.data_path, lines);
    put_bytes(options.eval_path, lines);
}

tiny_model maps_case::full_shape() {
    tiny_model shape = all_variants()[0].base;
    shape.n_layer = 3;
    return shape;
}

tiny_model maps_case::narrow() {
    tiny_model shape = all_variants()[0].base;
    shape.seed = 2;
    shape.n_head_kv = 1;
    shape.head_size = 8;
    shape.rope_base = 500;
    return shape;
}

tiny_model maps_case::alike() {
    tiny_model shape = narrow();
    shape.n_head_kv = 2;
    shape.head_size = 16;
    return shape;
}

double maps_case::loss_of_written(const std::string & translator_path) const {
    heal_case other;
    other.options = options;
    other.options.student.path = options.out_path;
    other.options.translator_path = translator_path;
    other.options.train_translator = false;
    other.options.translator_out_path = "";
    other.options.out_path = other.folder.file("again.gguf");
    other.options.checkpoint_path = "";
    other.options.resume = false;
    other.options.max_steps = 1;
    other.options.rate.peak = 1e-9;
    other.options.freeze = {};
    other.options.lora = {};
    other.options.patience = 0;
    return other.run().evaluations[0].loss;
}

}  // namespace overfill::test
