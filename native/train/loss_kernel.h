// A token's loss and its gradient (loss.h has the formulas), once for each instruction set that the processor may have.
#pragma once

#include <cstdint>
#include <vector>

namespace overfill {

struct loss_row {
    const float * logits;
    const float * teacher;  // null without distillation
    int64_t n, target;
    float temperature;
};

// What the gradient needs of both distributions: the largest logits, and the sums of exponentials, with the student's
// at temperature 1 and T and the teacher's at T.
struct loss_sums {
    float student_most, teacher_most, sum, student_sum, teacher_sum;
};

struct loss_kernel {
    const char * name;
    loss_sums (*sums)(const loss_row & row, float & cross_entropy, float & divergence);
    // gradient = of_entropy * (p - 1 at the target) + of_divergence * (student - teacher), both at T.
    void (*gradient)(const loss_row & row, const loss_sums & sums, float of_entropy, float of_divergence, float * out);
};

// Those that run here, the fastest first.
const std::vector<loss_kernel> & loss_kernels();

}  // namespace overfill
