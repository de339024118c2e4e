// A gradient against finite differences of the loss.
#pragma once

#include "training_graph.h"

#include <random>
#include <vector>

namespace overfill::test {

double length(const std::vector<float> & v);

// How far the loss's slope in the values of `tensor` is from `gradient`, along the gradient with a random direction
// added and along its largest values alone: the worst of them, relative to the gradient's length, the slope that the
// steepest direction would have. The tensor's values stay.
double gradient_error(ggml_tensor * tensor, const std::vector<float> & gradient, training_graph & graph,
                      const train_batch & batch, std::mt19937 & random);

}  // namespace overfill::test
