// How large the numbers of a block are, by which it is scaled.
#pragma once

namespace overfill::kernels {
namespace {

struct found_extent {
    float largest;
    // The first of the largest, with its sign: q8_K's scale is made from it.
    float signed_largest;
    bool is_finite;
    float not_a_number;
};

// @param finite  0 times each number: 0, or not a number where one of them is not finite
inline found_extent extent_from(float most, float least, float finite, const float * x, int count) {
    found_extent found{ most > -least ? most : -least, most > -least ? most : least, finite == 0, finite };
    if (most == -least) {
        for (int i = 0; i < count; i++) {
            if (x[i] != most && x[i] != least) continue;
            found.signed_largest = x[i];
            break;
        }
    }
    return found;
}

}  // namespace
}  // namespace overfill::kernels
