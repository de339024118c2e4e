// Tells models apart and their quantisations not: a hash over the architecture, the shape (layers, heads, RoPE, size of
// the vocabulary) and the vectors (norms, biases, RoPE factors), which every quantisation leaves as they are. Names and
// descriptions do not count. Not told apart: fine-tunes that changed matrices only.
#pragma once

#include <cstdint>
#include <string>

namespace overfill {

// Of a GGUF file, of a split one by its first part: the architecture and 16 hexadecimal digits. Throws
// ERR_MODEL_NOT_FOUND or ERR_MODEL_INVALID, for a missing part too.
std::string model_fingerprint(const std::string & path);

// Of its weights: a hash over every tensor's name, type, shape and some of its bytes. It tells the quantisations of a
// model apart, and fine-tunes. 16 hexadecimal digits; throws the same.
std::string weights_fingerprint(const std::string & path);

// 16 hexadecimal digits.
std::string digits_of(uint64_t hash);

}  // namespace overfill
