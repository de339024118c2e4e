#include "cpu_products.h"

#include "expert_product.h"
#include "ggml-backend-impl.h"
#include "ggml-cpu/ggml-cpu-impl.h"
#include "llama-model.h"
#include "loaded_module.h"
#include "self_check.h"
#include "weight_product.h"
#ifdef OVERFILL_LLAMA_SOURCE
#include "ggml-cpu/traits.h"
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <optional>

namespace overfill {

namespace {

#ifdef OVERFILL_LLAMA_SOURCE

using tensor_traits = ggml::cpu::tensor_traits;
using extra_buffer_type = ggml::cpu::extra_buffer_type;

#else

// ggml::cpu::tensor_traits and extra_buffer_type of ggml-cpu/traits.h. Their destructors, and with them the tables of
// virtual functions, are in the CPU back end's library, which is chosen when the program runs and so cannot be linked:
// classes of the same functions in the same order have the same tables.
class tensor_traits {
  public:
    virtual ~tensor_traits() = default;
    virtual bool work_size(int n_threads, const ggml_tensor * op, size_t & size) = 0;
    virtual bool compute_forward(ggml_compute_params * params, ggml_tensor * op) = 0;
};

class extra_buffer_type {
  public:
    virtual ~extra_buffer_type() = default;
    virtual bool supports_op(ggml_backend_dev_t device, const ggml_tensor * op) = 0;
    virtual tensor_traits * get_tensor_traits(const ggml_tensor * op) = 0;
};

#endif

// What the kernels need of the CPU back end.
struct cpu_library {
    std::vector<ggml_backend_buffer_type_t> & (*extra_buffer_types)() = nullptr;
    void (*barrier)(ggml_threadpool *) = nullptr;
    void (*set_chunk)(ggml_threadpool *, int) = nullptr;
    int (*add_chunk)(ggml_threadpool *, int) = nullptr;
};

cpu_library library;
const kernels::leaf * leaf = nullptr;
bool takes_all = false;
bool leaves_quantized = false;

// Asked for every operation by every thread, so without a lock. Freed places are used again.
std::array<std::atomic<ggml_backend_buffer_t>, 512> taken;
std::atomic<size_t> taken_end{ 0 };

bool is_taken(ggml_backend_buffer_t buffer) {
    const size_t end = taken_end.load(std::memory_order_acquire);
    for (size_t i = 0; i < end; i++)
        if (taken[i].load(std::memory_order_relaxed) == buffer) return true;
    return false;
}

std::optional<kernels::weight_type> kernel_type(ggml_type type) {
    switch (type) {
    case GGML_TYPE_Q8_0: return kernels::weight_type::q8_0;
    case GGML_TYPE_Q4_0: return kernels::weight_type::q4_0;
    case GGML_TYPE_IQ4_NL: return kernels::weight_type::iq4_nl;
    case GGML_TYPE_Q4_K: return kernels::weight_type::q4_k;
    case GGML_TYPE_Q5_K: return kernels::weight_type::q5_k;
    case GGML_TYPE_Q6_K: return kernels::weight_type::q6_k;
    case GGML_TYPE_Q3_K: return kernels::weight_type::q3_k;
    case GGML_TYPE_Q2_K: return kernels::weight_type::q2_k;
    case GGML_TYPE_IQ4_XS: return kernels::weight_type::iq4_xs;
    case GGML_TYPE_F16: return kernels::weight_type::f16;
    case GGML_TYPE_BF16: return kernels::weight_type::bf16;
    default: return std::nullopt;
    }
}

// The same, if the leaf that is used has a way with it, and ggml no better one.
std::optional<kernels::weight_type> used_type(ggml_type type) {
    if (leaves_quantized && ggml_is_quantized(type)) return std::nullopt;
    const auto found = kernel_type(type);
    return found && leaf && leaf->multiply[int(*found)] ? found : std::nullopt;
}

// Types that were tried and left to ggml in this process, a bit each.
std::atomic<uint64_t> left_types{ 0 };
static_assert(GGML_TYPE_COUNT <= 64);
uint64_t bit_of(ggml_type type) { return uint64_t(1) << int(type); }

// Types of which a column alone was left to ggml in this process, likewise.
std::atomic<uint64_t> left_alone{ 0 };

// Numbers of 16 bits that are made floats cost more than reading them, until a batch has as many columns.
constexpr int64_t least_float_columns = 16;

bool is_ours(const ggml_tensor * op) {
    if (op->op != GGML_OP_MUL_MAT && op->op != GGML_OP_MUL_MAT_ID) return false;
    const ggml_tensor * weights = op->src[0];
    const ggml_tensor * x = op->src[1];
    const ggml_tensor * whole = weights->view_src ? weights->view_src : weights;
    if (!whole->buffer || !(takes_all ? ggml_backend_buffer_is_host(whole->buffer) : is_taken(whole->buffer)))
        return false;
    const bool has_experts = op->op == GGML_OP_MUL_MAT_ID;
    if (!has_experts && weights->ne[2] != 1) return false;
    if (!suits_products(weights) || (left_types.load(std::memory_order_relaxed) & bit_of(weights->type)) != 0)
        return false;
    // A panel of an expert pays from some columns on, as many as its experts get on average.
    const int64_t least_expert_columns = std::max<int64_t>(4, least_product_columns(weights->type));
    if (has_experts ? op->src[2]->ne[0] * op->src[2]->ne[1] < least_expert_columns * weights->ne[2]
                    : ggml_nrows(x) < least_product_columns(weights->type))
        return false;
    return x->type == GGML_TYPE_F32 && op->type == GGML_TYPE_F32 && x->nb[0] == sizeof(float) && ggml_is_contiguous(op);
}

kernels::team_member member_of(const ggml_compute_params * params) {
    kernels::team_member member;
    member.index = params->ith;
    member.size = params->nth;
    member.team = params->threadpool;
    member.wait = [](void * team) { library.barrier(static_cast<ggml_threadpool *>(team)); };
    member.set_next = [](void * team, int value) { library.set_chunk(static_cast<ggml_threadpool *>(team), value); };
    member.take_next = [](void * team) { return library.add_chunk(static_cast<ggml_threadpool *>(team), 1); };
    return member;
}

kernels::weight_product product_of(const ggml_tensor * op) {
    const ggml_tensor * weights = op->src[0];
    const ggml_tensor * x = op->src[1];
    kernels::weight_product product;
    product.type = *kernel_type(weights->type);
    product.weights = static_cast<const std::uint8_t *>(weights->data);
    product.row_stride = weights->nb[1];
    product.rows = int(weights->ne[1]);
    product.elements = int(weights->ne[0]);
    product.x = static_cast<const std::uint8_t *>(x->data);
    for (int i = 0; i < 3; i++) {
        product.counts[i] = int(x->ne[i + 1]);
        product.strides[i] = x->nb[i + 1];
    }
    product.out = static_cast<float *>(op->data);
    product.out_stride = size_t(op->ne[0]);
    return product;
}

kernels::expert_product expert_product_of(const ggml_tensor * op) {
    const ggml_tensor * weights = op->src[0];
    const ggml_tensor * x = op->src[1];
    const ggml_tensor * ids = op->src[2];
    kernels::expert_product product;
    product.type = *kernel_type(weights->type);
    product.weights = static_cast<const std::uint8_t *>(weights->data);
    product.row_stride = weights->nb[1];
    product.expert_stride = weights->nb[2];
    product.rows = int(weights->ne[1]);
    product.elements = int(weights->ne[0]);
    product.experts = int(weights->ne[2]);
    product.slots = int(ids->ne[0]);
    product.tokens = int(ids->ne[1]);
    product.x = static_cast<const std::uint8_t *>(x->data);
    product.x_slots = int(x->ne[1]);
    product.x_slot_stride = x->nb[1];
    product.x_token_stride = x->nb[2];
    product.ids = static_cast<const std::uint8_t *>(ids->data);
    product.id_slot_stride = ids->nb[0];
    product.id_token_stride = ids->nb[1];
    product.out = static_cast<std::uint8_t *>(op->data);
    product.out_slot_stride = op->nb[1];
    product.out_token_stride = op->nb[2];
    return product;
}

class products : public tensor_traits {
  public:
    bool work_size(int n_threads, const ggml_tensor * op, size_t & size) override {
        size = op->op == GGML_OP_MUL_MAT_ID ? kernels::work_bytes(*leaf, expert_product_of(op), n_threads)
                                            : kernels::work_bytes(*leaf, *kernel_type(op->src[0]->type),
                                                                  op->src[0]->ne[0], ggml_nrows(op), n_threads);
        return true;
    }

    // All threads decide alike: what they ask does not change while a graph is computed.
    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        size_t needed = 0;
        if (params->use_ref || !work_size(params->nth, op, needed) || params->wsize < needed) return false;
        const kernels::team_member member = member_of(params);
        if (op->op == GGML_OP_MUL_MAT_ID)
            kernels::multiply(*leaf, expert_product_of(op), member, params->wdata);
        else
            kernels::multiply(*leaf, product_of(op), member, params->wdata);
        return true;
    }
};

class product_buffers : public extra_buffer_type {
  public:
    // Of buffers of this type, of which there are none.
    bool supports_op(ggml_backend_dev_t, const ggml_tensor *) override { return false; }
    tensor_traits * get_tensor_traits(const ggml_tensor * op) override { return is_ours(op) ? &products_ : nullptr; }

  private:
    products products_;
};

// Only asked for by the back end; no buffer is ever made of it.
ggml_backend_buffer_type buffer_type_of(product_buffers * buffers) {
    ggml_backend_buffer_type type = {};
    type.iface.get_name = [](ggml_backend_buffer_type_t) { return "overfill"; };
    type.iface.alloc_buffer = [](ggml_backend_buffer_type_t, size_t) -> ggml_backend_buffer_t { return nullptr; };
    type.iface.get_alignment = [](ggml_backend_buffer_type_t) -> size_t { return 64; };
    type.context = buffers;
    return type;
}

cpu_products_state set_up() {
    cpu_products_state state;
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    ggml_backend_reg_t registry = device ? ggml_backend_dev_backend_reg(device) : nullptr;
    void * inside =
        registry ? ggml_backend_reg_get_proc_address(registry, "ggml_backend_dev_get_extra_bufts") : nullptr;
    // The back end's own list of them is made on first use: before ours comes in, so that no weights are offered to it.
    const auto list = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(inside);
    for (ggml_backend_buffer_type_t * type = list ? list(device) : nullptr; type && *type; type++)
        state.has_amx = state.has_amx || std::string(ggml_backend_buft_name(*type)) == "AMX";
    int count = 0;
    const kernels::leaf * const * all = kernels::leaves(&count);
    leaf = all[0];
    state.leaf = leaf->name;
    const char * wish = std::getenv("OVERFILL_KERNELS");
    if (wish && std::string(wish) == "off") {
        state.reason = "OVERFILL_KERNELS is off";
        return state;
    }
    takes_all = state.takes_all = wish && std::string(wish) == "on";
    if (count == 1) {
        state.reason = "there are none for this processor's instructions";
        return state;
    }
    if (!inside) {
        state.reason = "ggml's CPU back end has no list of buffer types";
        return state;
    }
    leaves_quantized = state.has_amx && !takes_all;
    state.leaves_quantized = leaves_quantized;
#ifdef OVERFILL_LLAMA_SOURCE
    library = { ggml_backend_cpu_get_extra_buffer_types, ggml_barrier, ggml_threadpool_chunk_set,
                ggml_threadpool_chunk_add };
#else
    const auto find = [&](auto & function, const char * name) {
        function = reinterpret_cast<std::decay_t<decltype(function)>>(find_in_module(inside, name));
        return function != nullptr;
    };
#ifdef _WIN32
    const char * extra_name = "?ggml_backend_cpu_get_extra_buffer_types@@YAAEAV?$vector@PEAUggml_backend_buffer_type@@"
                              "V?$allocator@PEAUggml_backend_buffer_type@@@std@@@std@@XZ";
#else
    const char * extra_name = "_Z39ggml_backend_cpu_get_extra_buffer_typesv";
#endif
    if (!find(library.extra_buffer_types, extra_name) || !find(library.barrier, "ggml_barrier") ||
        !find(library.set_chunk, "ggml_threadpool_chunk_set") ||
        !find(library.add_chunk, "ggml_threadpool_chunk_add")) {
        state.reason = "ggml's CPU back end does not give out what they need";
        return state;
    }
#endif
    static product_buffers buffers;
    static ggml_backend_buffer_type type = buffer_type_of(&buffers);
    type.device = device;
    // First, so that what it has taken is not asked for elsewhere.
    auto & types = library.extra_buffer_types();
    types.insert(types.begin(), &type);
    state.available = true;
    state.replaces_repacking = state.leaf == "avx512-vnni";
    return state;
}

std::mutex taking;

}  // namespace

const cpu_products_state & cpu_products() {
    static const cpu_products_state state = set_up();
    return state;
}

bool suits_products(const ggml_tensor * weight) {
    const auto type = used_type(weight->type);
    return type && weight->ne[3] == 1 && kernels::fits(*type, weight->ne[0]) && weight->ne[1] >= 64 &&
           weight->nb[0] == ggml_type_size(weight->type);
}

bool has_products(ggml_type type) { return used_type(type).has_value(); }

int64_t least_product_columns(ggml_type type) {
    if (can_be_left(type)) return least_float_columns;
    const bool is_alone =
        leaf->multiply_few[int(*kernel_type(type))] && (left_alone.load(std::memory_order_relaxed) & bit_of(type)) == 0;
    return is_alone ? 1 : 2;
}

bool can_be_left_alone(ggml_type type) { return type == GGML_TYPE_Q8_0; }

void leave_products_alone_of(ggml_type type) { left_alone.fetch_or(bit_of(type), std::memory_order_relaxed); }

bool can_be_left(ggml_type type) {
    const auto found = kernel_type(type);
    return found && kernels::format_of(*found).is_float;
}

void leave_products_of(ggml_type type) { left_types.fetch_or(bit_of(type), std::memory_order_relaxed); }

bool gives_right_products(ggml_type type) {
    return has_products(type) && kernels::gives_same_products(*leaf, kernels::reference(), *kernel_type(type));
}

bool needs_repacking(ggml_type type) {
    return type == GGML_TYPE_MXFP4 || (leaves_quantized && ggml_is_quantized(type));
}

bool has_products_of(const std::vector<ggml_backend_buffer_t> & buffers) {
    return takes_all || std::all_of(buffers.begin(), buffers.end(), is_taken);
}

bool take_products_of(const std::vector<ggml_backend_buffer_t> & buffers) {
    if (!cpu_products().available) return false;
    const std::lock_guard<std::mutex> lock(taking);
    std::vector<std::atomic<ggml_backend_buffer_t> *> places;
    for (auto & place : taken) {
        if (places.size() == buffers.size()) break;
        if (!place.load(std::memory_order_relaxed)) places.push_back(&place);
    }
    if (places.size() < buffers.size()) return false;
    size_t end = taken_end.load(std::memory_order_relaxed);
    for (size_t i = 0; i < buffers.size(); i++) {
        places[i]->store(buffers[i], std::memory_order_relaxed);
        end = std::max(end, size_t(places[i] - taken.data()) + 1);
    }
    taken_end.store(end, std::memory_order_release);
    return true;
}

void leave_products_of(const std::vector<ggml_backend_buffer_t> & buffers) {
    const std::lock_guard<std::mutex> lock(taking);
    for (auto & place : taken) {
        const auto buffer = place.load(std::memory_order_relaxed);
        if (buffer && std::find(buffers.begin(), buffers.end(), buffer) != buffers.end())
            place.store(nullptr, std::memory_order_relaxed);
    }
}

void leave_products_of(const llama_model * model) noexcept {
    const std::lock_guard<std::mutex> lock(taking);
    const size_t end = taken_end.load(std::memory_order_relaxed);
    for (size_t i = 0; i < end; i++) {
        const ggml_backend_buffer_t buffer = taken[i].load(std::memory_order_relaxed);
        if (!buffer) continue;
        for (const auto & named : model->tensors_by_name) {
            if (named.second->buffer != buffer) continue;
            taken[i].store(nullptr, std::memory_order_relaxed);
            break;
        }
    }
}

host_weights host_weights_of(const llama_model * model) {
    host_weights out;
    const auto add = [](auto & to, const auto & value) {
        if (std::find(to.begin(), to.end(), value) == to.end()) to.push_back(value);
    };
    for (const auto & [name, tensor] : model->tensors_by_name) {
        if (!tensor->buffer || !ggml_backend_buffer_is_host(tensor->buffer)) continue;
        add(out.buffers, tensor->buffer);
        if (suits_products(tensor)) add(out.types, tensor->type);
    }
    return out;
}

}  // namespace overfill
