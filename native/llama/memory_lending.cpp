#include "memory_lending.h"

#include "context_memory.h"
#include "failure.h"

#include <typeinfo>

namespace overfill {

void lend_memory(llama_context * owner, llama_context * borrower) {
    llama_memory_i *theirs = memory_of(owner), *own = memory_of(borrower);
    if (!theirs || !own || typeid(*theirs) != typeid(*own))
        throw failure(error_code::internal, "the two contexts keep memories of different kinds");

    follow_memory_size(borrower, owner);
    use_memory(borrower, std::make_unique<lent_memory>(*theirs));
}

bool shares_memory(const llama_context * a, const llama_context * b) {
    return memory_of(a) && memory_of(a) == memory_of(b);
}

size_t memory_bytes(const llama_context * ctx) {
    size_t n = 0;
    for (const auto & buffer : ctx->get_memory()->memory_breakdown()) n += buffer.second;
    return n;
}

bool uses_flash_attention(const llama_context * ctx) { return ctx->get_cparams().flash_attn; }

}  // namespace overfill
