// Our matrix kernels (native/kernels) inside ggml's CPU back end: they compute products of the weights of models that
// were named to them, in ggml's own threads, on the weights as they lie. How they come there: docs/decisions/0020.
#pragma once

#include <ggml-backend.h>
#include <llama.h>

#include <string>
#include <vector>

namespace overfill {

// Whether the kernels can be had in this process, and why not. The variable OVERFILL_KERNELS of the environment says
// `off` for none at all, and `on` for all products of weights in the processor's memory, whoever's they are, without a
// trial: then llama.cpp itself computes as a pair does, and the two can be compared.
struct cpu_products_state {
    bool available = false;
    bool takes_all = false;
    std::string leaf;    // instructions that are used, such as "avx512-vnni"
    std::string reason;  // if they cannot be had, a sentence without a full stop
    // ggml has kernels for this processor's AMX.
    bool has_amx = false;
    // So weights that are quantised stay its own.
    bool leaves_quantized = false;
    // They read prompts and batches faster than ggml's do with weights that were repacked, which takes memory.
    bool replaces_repacking = false;
};

// The CPU back end must be loaded. The first call sets everything up, and must come before anything computes: the list
// that ggml asks for each operation has no lock.
const cpu_products_state & cpu_products();

// Whether the kernels have a way with this type, and from how many columns on products of it are theirs: 2 where panels
// of rows cost more than reading the weights for a column alone does, and more for numbers of 16 bits.
bool has_products(ggml_type type);
int64_t least_product_columns(ggml_type type);
// Whether a column alone may be ggml's and the rest ours: of types that ggml does not repack. From
// `leave_products_alone_of` on it is, in the whole process.
bool can_be_left_alone(ggml_type type);
void leave_products_alone_of(ggml_type type);
// Whether a model may use the kernels for its other types and ggml's for this one: those of numbers of 16 bits, where
// ggml's are faster on some processors and such weights a small part of most models. From `leave_products_of` on all
// products of the type are ggml's, in the whole process.
bool can_be_left(ggml_type type);
void leave_products_of(ggml_type type);
// Whether the kernels of this type give the numbers here that they should; tries it, in a millisecond or less.
bool gives_right_products(ggml_type type);
// Types that ggml repacks here and that are not the kernels'.
bool needs_repacking(ggml_type type);

// From now on products of these buffers with weights of types that there are kernels for are computed by the kernels;
// buffers that do not lie in the processor's plain memory are left out. Returns false where there is no room for more,
// or there are no kernels.
bool take_products_of(const std::vector<ggml_backend_buffer_t> & buffers);
bool has_products_of(const std::vector<ggml_backend_buffer_t> & buffers);
void leave_products_of(const std::vector<ggml_backend_buffer_t> & buffers);
// The same for all of a model's, before it is freed. Takes no memory.
void leave_products_of(const llama_model * model) noexcept;

// The model's weights that lie in the processor's plain memory: their buffers, and the types among them that there are
// kernels for.
struct host_weights {
    std::vector<ggml_backend_buffer_t> buffers;
    std::vector<ggml_type> types;
};
host_weights host_weights_of(const llama_model * model);

// Whether products of this weight would be computed by the kernels if its buffer were named.
bool suits_products(const ggml_tensor * weight);

}  // namespace overfill
