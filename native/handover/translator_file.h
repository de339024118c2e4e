// A translator as a GGUF file (gguf.h; little-endian).
//
//   general.architecture          "overfill-translator", so that nothing takes it for a model
//   general.type                  "translator"
//   translator.version            u32: 1
//   translator.kind               "layers" (a layer map only) or "linear" (with linear maps)
//   translator.source.fingerprint, translator.source.name      of the prefill model; "": any of fitting shape
//   translator.target.fingerprint, translator.target.name      of the decode model
//   translator.layer_count        u32: the target's layers; 0 if nothing here is told by layer
//   translator.layers             i32 each: the source layer of each of them; absent: the same index
//   translator.before_rope        bool: the maps of K work on K without its position encoding
//   translator.error.k, .v        f32 each: relative squared error on held-out text; absent: unknown
//   translator.loss.alone, .unmapped, .mapped                  f64, nats a token; 0: unknown
//   translator.fit_tokens         u64
//
// and for the target's layer i, where it has linear maps y = W x + b over the flattened heads:
//
//   blk.<i>.k.weight  [n_in, n_out] f32, f16 or q8_0      blk.<i>.k.bias  [n_out] f32, may be absent
//   blk.<i>.v.weight, blk.<i>.v.bias
//   blk.<i>.kv.weight, blk.<i>.kv.bias                     in their place where K and V have one map in common
#pragma once

#include "atomic_file.h"
#include "model_traits.h"
#include "translator.h"

#include <ggml.h>

#include <cstdint>
#include <memory>
#include <string>

namespace overfill {

// What a translator file is, apart from the translator in it.
struct translator_file_info {
    uint64_t n_bytes = 0;
    ggml_type weight_type = GGML_TYPE_F32;  // of the first linear map
};

// Whether the file is a GGUF file that says it is a translator (is_gguf_of_type).
bool is_translator_file(const std::string & path);

// Weights come as f32. Throws ERR_MODEL_NOT_FOUND, ERR_MODEL_NOT_A_FILE, or ERR_TRANSLATOR_INVALID with what is wrong.
translator read_translator(const std::string & path, translator_file_info * info = nullptr);

// Writes the whole file or none: a file that had the name before is replaced in one step or kept. Returns its size.
// Throws ERR_FILE_WRITE_FAILED, or ERR_INVALID_ARGUMENT for a weight type that cannot hold the weights.
uint64_t write_translator(const std::string & path, const translator & translator, ggml_type weight_type);

// The same, but for the commit.
std::unique_ptr<atomic_file> prepare_translator(const std::string & path, const translator & translator,
                                                ggml_type weight_type);

// Whether `weight_type` can hold rows of n_in weights. Throws ERR_INVALID_ARGUMENT if not.
void check_weight_type(ggml_type weight_type, uint32_t n_in);

// The weights as they are after a round trip through the type.
void round_weights(linear_map & map, ggml_type weight_type);

// Throws ERR_TRANSLATOR_MISMATCH with everything in which the translator is not one for these two models.
void check_translator(const translator & translator, const model_traits & source,
                      const std::string & source_fingerprint, const model_traits & target,
                      const std::string & target_fingerprint);

}  // namespace overfill
