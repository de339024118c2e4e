// A whole training: read the data, run the full model over what it is to read, train the student on the rest, write
// checkpoints, evaluate, and write the trained model.
#pragma once

#include "adamw.h"
#include "learning_rate.h"
#include "loss.h"
#include "micro_batches.h"
#include "models.h"
#include "sequences.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

struct lora_options {
    uint32_t rank = 0;                 // 0: the weights themselves are trained
    float alpha = 0;                   // the product of both factors counts alpha / rank; 0: as many as the rank
    std::vector<std::string> targets;  // patterns of tensor names; empty: all matrices of the layers
};

enum class train_side { writer, reader, both };

struct heal_options {
    model_options full;  // reads the prompt, or gives the logits to distil from; an empty path where neither is done
    train_side side = train_side::writer;  // overfill mode: which of the two is trained
    model_options
        student;  // trained from its weights; on which device it is trained follows from n_gpu_layers (0: CPU)
    std::string
        data_path;  // JSONL (see data_record.h); a file named *.txt is plain text, in windows of context_size tokens
    std::string eval_path;          // the same; empty: no evaluation
    std::string out_path;           // the model that is trained; of both, the student
    std::string reader_out_path;    // of both, the full model
    std::string type = "same";      // of the weights written: f32, f16, bf16, q8_0 or same; of factors, same is f32
    std::string checkpoint_path;    // empty: out_path with ".checkpoint" behind it
    bool resume = false;            // go on from the checkpoint, if there is one
    std::string log_path;           // JSONL of the steps; empty: none. A resumed run cuts what is behind its checkpoint
    std::string translator_path;    // overfill mode: how the cache is handed over; empty: as the pair's plan says
    bool train_translator = false;  // its linear maps are trained with the student
    std::string translator_out_path;       // overfill mode: the translator for the trained student; empty: not written
    std::string translator_type = "same";  // of its weights: f32, f16, q8_0 or same

    sequence_options sequences;
    distillation distil;
    lora_options lora;  // of the student
    lora_options
        reader_lora;  // of the full model, whose file is then an adapter; the place of the factors is the model's
    std::vector<std::string> freeze;  // patterns of the student's tensor names (* and ?) that are not trained
    uint32_t context_size = 0;  // tokens of an example at most; 0: 2048, or what the student was trained on if less
    uint32_t batch_size = 8;    // examples a step
    micro_batch_limits limits;  // row_tokens is filled in: examples are packed where no cache is needed
    double epochs = 1;          // used where max_steps is 0
    uint64_t max_steps = 0;
    learning_rate rate;
    adamw_options adam;
    double clip = 1;  // of the gradient's norm; 0: none
    uint64_t seed = 1;
    uint64_t shuffle_window = 10000;  // lines
    uint64_t max_bad_lines = 10;      // skipped and reported; one more ends the training
    uint64_t eval_interval = 0;       // steps; 0: at the end only
    uint32_t patience = 0;            // evaluations without a better loss after which the training ends; 0: never
    uint64_t max_eval_examples = 256;
    uint64_t checkpoint_interval = 0;  // steps; 0: every ten minutes and at the end
    int32_t n_threads = 1;
};

enum class heal_stage { loading, training, evaluating, writing };

struct heal_progress {
    heal_stage stage = heal_stage::loading;
    double fraction = 0;  // of the stage; training: of all steps
    uint64_t step = 0, n_steps = 0;
    double loss = 0;  // nats a token, of the last step
    double learning_rate = 0;
    double gradient_norm = 0;      // before clipping
    uint64_t n_tokens = 0;         // trained on so far (targets)
    double tokens_per_second = 0;  // read by the student, over the last steps
};

struct bad_line {
    std::string path;
    uint64_t number;
    std::string reason;
};

struct evaluation {
    uint64_t step;
    double loss;  // nats a token
};

enum class heal_end { steps, patience };

struct heal_result {
    heal_end reason = heal_end::steps;
    uint64_t n_steps = 0, first_step = 0;   // first_step > 0: resumed
    uint64_t n_examples = 0, n_tokens = 0;  // targets
    uint64_t n_parameters = 0;              // trained
    std::vector<double> losses;             // of every step, by this run and those it resumed
    std::vector<evaluation> evaluations;    // that of step 0 included
    std::vector<bad_line> bad_lines;
    std::string path;
    uint64_t n_file_bytes = 0;
    std::string reader_path;  // of the two that were trained, the full model; empty: none was written beside `path`
    uint64_t n_reader_bytes = 0;
    std::string translator_path;  // empty: none was written
    uint64_t n_translator_bytes = 0;
    double tokens_per_second = 0;
    double milliseconds = 0;
};

struct heal_events {
    std::function<void(const heal_progress &)> on_progress;
    std::function<void(const bad_line &)> on_bad_line;
    std::function<void(const evaluation &)> on_evaluation;
};

// `stop` ends it with error_code::aborted after a checkpoint has been written, so that it can be resumed; out_path is
// not written then. Two runs with equal options, files and threads give equal files, bit for bit, whether interrupted
// or not. Throws the codes of load_model; ERR_PAIR_INCOMPATIBLE, ERR_HANDOVER_UNAVAILABLE and the translator's codes
// for models that do not fit; ERR_MODEL_UNSUPPORTED for what the training graph does not compute,
// ERR_OPERATION_UNSUPPORTED for what the device does not; ERR_DATA_INVALID
// (details: path, line) for no usable line or too many bad ones; ERR_CHECKPOINT_INVALID for a checkpoint that is
// damaged or of another run; ERR_TRAINING_DIVERGED for a loss or gradient that is no finite number (the last checkpoint
// stays); ERR_INVALID_ARGUMENT, ERR_FILE_READ_FAILED, ERR_FILE_WRITE_FAILED, ERR_OUT_OF_MEMORY.
heal_result heal(const heal_options & options, const heal_events & events, const std::atomic<bool> & stop);

// What a training will take, from one step of it: the models are loaded and computed as they will be, and nothing is
// written.
struct heal_estimate {
    uint64_t n_parameters = 0;  // trained
    uint64_t n_steps = 0;
    // Bytes: of the weights that the graph computes with, of both models where the reader is trained, of gradients and
    // moments, of activations, and of the full model's file where llama.cpp runs it beside the graph.
    uint64_t weight_bytes = 0, optimiser_bytes = 0, activation_bytes = 0, full_bytes = 0;
    double tokens_per_second = 0;      // read by the student, and by the reader where it is trained
    double milliseconds_per_step = 0;  // without evaluations and checkpoints
};
// Throws as heal does.
heal_estimate estimate_heal(const heal_options & options, const heal_events & events, const std::atomic<bool> & stop);

// A model with random weights, to be trained in `full` mode from scratch: the tokenizer of `tokenizer_path` (any GGUF
// model), llama architecture.
struct new_model_options {
    std::string out_path, tokenizer_path, name;
    uint32_t n_embd = 0, n_ff = 0, n_layer = 0, n_head = 0, n_head_kv = 0,
             head_size = 0;  // head_size 0: n_embd / n_head
    uint32_t context_size = 1024;
    float rope_base = 10000, norm_eps = 1e-5f;
    bool tied_output = true;
    std::string type = "f32";  // or f16, bf16
    uint64_t seed = 1;         // of the weights; create_model.cpp says how they are drawn
};
struct new_model_result {
    uint64_t n_parameters = 0, n_file_bytes = 0;
};
// Throws ERR_INVALID_ARGUMENT for an impossible shape, the codes of check_tokenizer_file, ERR_FILE_WRITE_FAILED.
new_model_result create_model(const new_model_options & options, const std::atomic<bool> & stop);

}  // namespace overfill
