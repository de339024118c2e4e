// llama.cpp takes the image tokens out of Chameleon's logits, as it writes text only; but of a batch with several rows
// of logits it does so in the first row, and the others may still choose them.
#pragma once

#include <llama.h>

namespace overfill {

// Whether that is to be done here.
bool leaves_image_tokens(const llama_model * model);
// After a batch was read: takes them out of all of its rows.
void remove_image_tokens(llama_context * ctx, const llama_batch & batch);

}  // namespace overfill
