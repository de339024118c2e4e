// The gradients of gated activations by every kernel, against float64.
#include "check.h"
#include "gated_back.h"
#include "train_case.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace overfill;
using namespace overfill::test;

TEST("the gradients of SiLU and GELU are float64's for every kernel, far from zero as well") {
    std::mt19937 random(9);
    for (const gated_kernel & kernel : gated_kernels()) {
        double worst = 0;
        for (const size_t n : { 1, 15, 64, 1001 })
            for (const float spread : { 0.3f, 3.0f, 90.0f }) {
                std::vector<float> gate = random_values(n, spread, random);
                gate[0] = 0;
                const auto up = random_values(n, 1, random), d = random_values(n, 1, random);
                std::vector<float> of_up(n, NAN), of_silu(n, NAN), of_gelu(n, NAN);
                kernel.silu_up(gate.data(), d.data(), (int64_t) n, of_up.data());
                kernel.silu_gate(gate.data(), up.data(), d.data(), (int64_t) n, of_silu.data());
                kernel.gelu_gate(gate.data(), up.data(), d.data(), (int64_t) n, of_gelu.data());
                const auto compare = [&](double value, double expected) {
                    const double error = std::fabs(value - expected) / (1 + std::fabs(expected));
                    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
                };
                for (size_t i = 0; i < n; i++) {
                    const double x = gate[i], s = 1 / (1 + std::exp(-x)), c = std::sqrt(2 / std::acos(-1.0));
                    const double t = std::tanh(c * (x + 0.044715 * x * x * x)), u = c * (1 + 3 * 0.044715 * x * x);
                    compare(of_up[i], d[i] * x * s);
                    compare(of_silu[i], (double) d[i] * up[i] * s * (1 + x * (1 - s)));
                    compare(of_gelu[i], (double) d[i] * up[i] * ((1 + t) / 2 + x * (1 - t * t) * u / 2));
                }
            }
        std::printf("  %s: %.1e\n", kernel.name, worst);
        CHECK(worst < 2e-6);
    }
}
