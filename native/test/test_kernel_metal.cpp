// translate.metal, compiled as C++ and executed with one thread a lane, against the double precision reference. A few
// cases of every kind: the arithmetic is the one that test_kernel.cpp proves; this proves entry points and barriers.
#include "check.h"
#include "kernel/kernel_plan.h"
#include "kernel_cases.h"
#include "metal_shim.h"

using namespace overfill;
using namespace overfill::test;

TEST("the Metal source, executed on the CPU, agrees with the reference") {
    std::vector<case_shape> shapes;
    const std::vector<case_shape> all = all_cases();
    // The cases come in sixes, one of each kind for a pair of types; a stride without that factor meets every kind.
    for (size_t i = 0; i < all.size(); i += 61) shapes.push_back(all[i]);
    uint32_t seed = 0;
    for (const case_shape & shape : shapes) {
        kernel_case made(shape, ++seed);
        kernel_plan plan(made.plan.steps);
        plan.prepare(made.job);
        run_metal_on_cpu(plan.steps().data(), (uint32_t) plan.steps().size(), plan.moves().data(), plan.angles().data(),
                         plan.weights().data(), plan.has_maps(), plan.n_groups());
        const double error = made.worst_error();
        report(error <= 1, __FILE__, __LINE__, shape.title() + ": " + std::to_string(error) + " of the tolerance");
    }
}
