// The one door to llama.cpp's private members. An explicit template instantiation may name a private member, so the
// members are reached by the language's own rule, without macros and without a patched llama.cpp. They are what the
// version gate is for.
#pragma once

#include "llama-context.h"
#include "llama-kv-cache-iswa.h"
#include "llama-kv-cache.h"

#include <memory>
#include <vector>

namespace overfill::reach {

template <class Tag, typename Tag::type Member> struct member_of {
    friend typename Tag::type get(Tag) { return Member; }
};

struct context_memory {
    using type = std::unique_ptr<llama_memory_i> llama_context::*;
    friend type get(context_memory);
};
struct context_cparams {
    using type = llama_cparams llama_context::*;
    friend type get(context_cparams);
};
struct context_need_reserve {
    using type = bool llama_context::*;
    friend type get(context_need_reserve);
};
struct cache_other {
    using type = llama_kv_cache * llama_kv_cache::*;
    friend type get(cache_other);
};
struct cache_heads {
    using type = std::vector<uint32_t> llama_kv_cache::*;
    friend type get(cache_heads);
};
struct cache_v_trans {
    using type = bool llama_kv_cache::*;
    friend type get(cache_v_trans);
};
struct cache_rot_k {
    using type = bool llama_kv_cache::*;
    friend type get(cache_rot_k);
};
struct cache_rot_v {
    using type = bool llama_kv_cache::*;
    friend type get(cache_rot_v);
};
struct cache_head_size_k {
    using type = int32_t llama_kv_cache::*;
    friend type get(cache_head_size_k);
};

template struct member_of<context_memory, &llama_context::memory>;
template struct member_of<context_cparams, &llama_context::cparams>;
template struct member_of<context_need_reserve, &llama_context::sched_need_reserve>;
template struct member_of<cache_other, &llama_kv_cache::other>;
template struct member_of<cache_heads, &llama_kv_cache::v_heads>;
template struct member_of<cache_v_trans, &llama_kv_cache::v_trans>;
template struct member_of<cache_rot_k, &llama_kv_cache::attn_rot_k>;
template struct member_of<cache_rot_v, &llama_kv_cache::attn_rot_v>;
template struct member_of<cache_head_size_k, &llama_kv_cache::n_embd_head_k_all>;

}  // namespace overfill::reach
