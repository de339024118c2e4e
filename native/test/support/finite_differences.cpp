#include "finite_differences.h"

#include "train_case.h"

#include <algorithm>
#include <cmath>

namespace overfill::test {

double length(const std::vector<float> & v) {
    double sum = 0;
    for (const float value : v) sum += (double) value * value;
    return std::sqrt(sum);
}

namespace {

// The loss along a line through the values of one tensor.
struct line {
    ggml_tensor * tensor;
    const std::vector<float> &origin, &direction;
    training_graph & graph;
    const train_batch & batch;

    double at(double step) const {
        std::vector<float> values(origin.size());
        for (size_t i = 0; i < values.size(); i++) values[i] = (float) (origin[i] + step * direction[i]);
        ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(float));
        return graph.run(batch).total;
    }
    // Two central differences, joined so that the cubic term goes.
    double slope(double step) const {
        const double wide = (at(2 * step) - at(-2 * step)) / (4 * step), narrow = (at(step) - at(-step)) / (2 * step);
        ggml_backend_tensor_set(tensor, origin.data(), 0, origin.size() * sizeof(float));
        return (4 * narrow - wide) / 3;
    }
};

std::vector<std::vector<float>> directions_of(const std::vector<float> & gradient, std::mt19937 & random) {
    const std::vector<float> noise = random_values(gradient.size(), 1, random);
    std::vector<float> mixed(gradient.size());
    for (size_t i = 0; i < mixed.size(); i++)
        mixed[i] = (float) (gradient[i] / length(gradient) + noise[i] / length(noise));
    std::vector<std::vector<float>> out = { mixed };
    std::vector<size_t> order(gradient.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return std::fabs(gradient[a]) > std::fabs(gradient[b]); });
    for (size_t i = 0; i < 3; i++) {
        out.emplace_back(gradient.size());
        out.back()[order[i]] = 1;
    }
    return out;
}

}  // namespace

double gradient_error(ggml_tensor * tensor, const std::vector<float> & gradient, training_graph & graph,
                      const train_batch & batch, std::mt19937 & random) {
    const std::vector<float> origin = values_of(tensor);
    const double step = 2e-2 * length(origin) / std::sqrt((double) origin.size());
    double worst = 0;
    for (const std::vector<float> & direction : directions_of(gradient, random)) {
        double expected = 0;
        for (size_t i = 0; i < gradient.size(); i++) expected += (double) gradient[i] * direction[i];
        const double slope = line{ tensor, origin, direction, graph, batch }.slope(step);
        worst = std::max(worst, std::fabs(slope - expected) / length(gradient));
    }
    return worst;
}

}  // namespace overfill::test
