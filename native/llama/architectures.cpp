#include "architectures.h"

#include "llama-arch.h"

namespace overfill {

bool known_architecture(const std::string & name) { return llm_arch_from_string(name) != LLM_ARCH_UNKNOWN; }

bool hybrid_architecture(const std::string & name) { return llm_arch_is_hybrid(llm_arch_from_string(name)); }

}  // namespace overfill
