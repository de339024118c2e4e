// A model with random weights. What the weights are drawn with:
//
//   matrices                 deviation 1 / sqrt(inputs), so that what has deviation 1 at the input has it at the output
//   attn_q, attn_k           a fifth of that: attention begins nearly even, not with a random choice to be unlearned
//   attn_output, ffn_down    0.3 / sqrt(2 n_layer) of that: all of the 2 n_layer branches together change the stream as
//                            much however deep the model is (Radford et al., 2019), and the token itself can still be
//                            seen in it
//   token_embd               1 / sqrt(n_embd) around a vector that all tokens share and that is drawn with the same
//                            deviation. What is shared lets heads tell places from the first step on; where the
//                            embeddings are the output matrix, too, it adds the same to all logits, which changes
//                            nothing
//   output                   1 / (2 sqrt(n_embd)): logits of deviation one half, and a loss 1/8 above ln(n_vocab)
//   norms                    1
//
// Four of four models of width 128 with 4 layers found out how to copy a list within 1,000 steps of 1,300 tokens when
// drawn like this. One whose branches began as large as the stream, with small embeddings and random attention, did not
// within 3,000; one where only attention was made small had not begun to after 1,100.
#include "failure.h"
#include "gguf_metadata.h"
#include "heal.h"
#include "model_file.h"
#include "model_writer.h"
#include "quantization.h"
#include "random_state.h"

#include <ggml-cpp.h>

#include <algorithm>
#include <cmath>

namespace overfill {

namespace {

constexpr uint32_t largest_width = 1 << 20, most_layers = 512, largest_context = 1 << 30;

struct new_tensor {
    std::string name;
    ggml_type type;
    int64_t ne[GGML_MAX_DIMS];
    double deviation;     // 0: all values are 1
    bool shares = false;  // a vector, drawn with the same deviation, is added to every row
};

[[noreturn]] void refuse(const std::string & option, const std::string & why) {
    throw failure(error_code::invalid_argument, "options." + option + ": " + why,
                  { { "parameter", "options." + option } });
}

void check_count(const char * option, uint32_t value, uint32_t largest) {
    if (value < 1 || value > largest)
        refuse(option, "expected 1 to " + std::to_string(largest) + ", got " + std::to_string(value));
}

// Returns the options with the head size filled in.
new_model_options checked(new_model_options o) {
    check_count("hiddenSize", o.n_embd, largest_width);
    check_count("feedForwardSize", o.n_ff, largest_width);
    check_count("layers", o.n_layer, most_layers);
    check_count("heads", o.n_head, largest_width);
    check_count("kvHeads", o.n_head_kv, o.n_head);
    check_count("contextSize", o.context_size, largest_context);
    if (o.n_head % o.n_head_kv != 0)
        refuse("kvHeads",
               std::to_string(o.n_head) + " heads are not a multiple of " + std::to_string(o.n_head_kv) + " KV heads");
    if (o.head_size == 0) {
        if (o.n_embd % o.n_head != 0)
            refuse("heads", "a hidden size of " + std::to_string(o.n_embd) + " is not a multiple of " +
                                std::to_string(o.n_head) + " heads; set headSize");
        o.head_size = o.n_embd / o.n_head;
    }
    check_count("headSize", o.head_size, largest_width / o.n_head);
    if (o.head_size % 2 != 0)
        refuse("headSize", "the position encoding rotates pairs of dimensions, but a head size of " +
                               std::to_string(o.head_size) + " is odd");
    if (!(o.rope_base > 0) || !std::isfinite(o.rope_base)) refuse("ropeBase", "expected a positive number");
    if (!(o.norm_eps > 0) || !std::isfinite(o.norm_eps)) refuse("normEpsilon", "expected a positive number");
    if (o.type != "f32" && o.type != "f16" && o.type != "bf16")
        refuse("type", "expected f32, f16 or bf16, got " + o.type);
    return o;
}

// The tokenizer's keys, and how many tokens it has.
int64_t copy_tokenizer(const std::string & path, gguf_context * to) {
    const gguf_metadata from(path);
    const gguf_context_ptr kept(gguf_init_empty());
    gguf_set_kv(kept.get(), from.get());
    for (int64_t i = 0; i < gguf_get_n_kv(from.get()); i++) {
        const char * key = gguf_get_key(from.get(), i);
        if (std::string(key).compare(0, 10, "tokenizer.") != 0) gguf_remove_key(kept.get(), key);
    }
    gguf_set_kv(to, kept.get());
    const int64_t n_tokens = from.array_length("tokenizer.ggml.tokens");
    if (n_tokens < 1) throw failure(error_code::model_invalid, path + " has no list of tokens", { { "path", path } });
    return n_tokens;
}

void add_shape(const new_model_options & o, gguf_context * gguf) {
    gguf_set_val_str(gguf, "general.architecture", "llama");
    gguf_set_val_str(gguf, "general.type", "model");
    if (!o.name.empty()) gguf_set_val_str(gguf, "general.name", o.name.c_str());
    gguf_set_val_u32(gguf, "general.file_type", (uint32_t) *find_file_type(o.type));
    gguf_set_val_u32(gguf, "llama.block_count", o.n_layer);
    gguf_set_val_u32(gguf, "llama.context_length", o.context_size);
    gguf_set_val_u32(gguf, "llama.embedding_length", o.n_embd);
    gguf_set_val_u32(gguf, "llama.feed_forward_length", o.n_ff);
    gguf_set_val_u32(gguf, "llama.attention.head_count", o.n_head);
    gguf_set_val_u32(gguf, "llama.attention.head_count_kv", o.n_head_kv);
    gguf_set_val_u32(gguf, "llama.attention.key_length", o.head_size);
    gguf_set_val_u32(gguf, "llama.attention.value_length", o.head_size);
    gguf_set_val_u32(gguf, "llama.rope.dimension_count", o.head_size);
    gguf_set_val_f32(gguf, "llama.rope.freq_base", o.rope_base);
    gguf_set_val_f32(gguf, "llama.attention.layer_norm_rms_epsilon", o.norm_eps);
}

std::vector<new_tensor> tensors_of(const new_model_options & o, int64_t n_vocab) {
    const ggml_type type = o.type == "f32" ? GGML_TYPE_F32 : o.type == "f16" ? GGML_TYPE_F16 : GGML_TYPE_BF16;
    std::vector<new_tensor> out;
    const auto matrix = [&](const std::string & name, int64_t n_in, int64_t n_out, double factor = 1) {
        out.push_back({ name + ".weight", type, { n_in, n_out, 1, 1 }, factor / std::sqrt((double) n_in) });
    };
    const auto norm = [&](const std::string & name) {
        out.push_back({ name + ".weight", GGML_TYPE_F32, { o.n_embd, 1, 1, 1 }, 0 });
    };
    const int64_t n_q = (int64_t) o.n_head * o.head_size, n_kv = (int64_t) o.n_head_kv * o.head_size;
    const double branch = 0.3 / std::sqrt(2.0 * o.n_layer), attention = 0.2;
    matrix("token_embd", o.n_embd, n_vocab);
    out.back().shares = true;
    for (uint32_t il = 0; il < o.n_layer; il++) {
        const std::string block = "blk." + std::to_string(il) + ".";
        norm(block + "attn_norm");
        matrix(block + "attn_q", o.n_embd, n_q, attention);
        matrix(block + "attn_k", o.n_embd, n_kv, attention);
        matrix(block + "attn_v", o.n_embd, n_kv);
        matrix(block + "attn_output", n_q, o.n_embd, branch);
        norm(block + "ffn_norm");
        matrix(block + "ffn_gate", o.n_embd, o.n_ff);
        matrix(block + "ffn_up", o.n_embd, o.n_ff);
        matrix(block + "ffn_down", o.n_ff, o.n_embd, branch);
    }
    norm("output_norm");
    if (!o.tied_output) matrix("output", o.n_embd, n_vocab, 0.5);
    return out;
}

// Mean 0, deviation 1, nearly normal: the sum of four uniform numbers of 16 bits. Whole numbers add up to the same on
// every platform, which a logarithm need not.
double draw(random_state & random) {
    const uint64_t bits = random.next();
    const int64_t sum = (int64_t) ((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
    constexpr double mean = 2 * 65535.0, sqrt3 = 1.7320508075688772;
    return ((double) sum - mean) * (sqrt3 / 65536);
}

void write_tensor(const new_tensor & tensor, random_state & random, const std::atomic<bool> & stop,
                  model_writer & out) {
    const int64_t n_per_row = tensor.ne[0], step = rows_at_once(n_per_row);
    std::vector<float> values;
    std::vector<float> shared((size_t) n_per_row);
    if (tensor.shares)
        for (float & value : shared) value = (float) (tensor.deviation * draw(random));
    for (int64_t row = 0; row < tensor.ne[1]; row += step) {
        if (stop) throw failure(error_code::aborted, "aborted");
        const int64_t n_rows = std::min(step, tensor.ne[1] - row);
        values.resize((size_t) (n_rows * n_per_row));
        for (size_t i = 0; i < values.size(); i++)
            values[i] =
                tensor.deviation > 0 ? (float) (tensor.deviation * draw(random)) + shared[i % shared.size()] : 1;
        out.add_values(values.data(), n_rows, n_per_row, tensor.type);
    }
    out.end_tensor();
}

}  // namespace

new_model_result create_model(const new_model_options & options, const std::atomic<bool> & stop) {
    const new_model_options o = checked(options);
    check_tokenizer_file(o.tokenizer_path);
    const gguf_context_ptr head(gguf_init_empty());
    add_shape(o, head.get());
    const std::vector<new_tensor> tensors = tensors_of(o, copy_tokenizer(o.tokenizer_path, head.get()));
    new_model_result result;
    for (const new_tensor & tensor : tensors) {
        add_tensor_info(head.get(), tensor.name, tensor.type, tensor.ne);
        result.n_parameters += (uint64_t) (tensor.ne[0] * tensor.ne[1]);
    }
    random_state random{ o.seed };
    model_writer out(head.get(), o.out_path);
    for (const new_tensor & tensor : tensors) write_tensor(tensor, random, stop, out);
    result.n_file_bytes = out.commit();
    return result;
}

}  // namespace overfill
