// Ridge regression over a stream: y = W x + b with
//
//   W = argmin sum |y - W x - b|^2 + lambda d |W|^2,   d = the mean diagonal of the centred sum of x x^T
//
// in closed form from sums that are kept in float64, so that memory does not grow with the data:
//
//   W^T = (Sxx + lambda d I)^-1 Sxy,   b = mean(y) - W mean(x)
//
// The same sums over other data give a map's error on them without a second look at the data:
//
//   sum |y - W x - b|^2 = Syy - 2 <W, Syx> + <W Sxx, W> + terms of the means
#pragma once

#include "thread_team.h"
#include "translation.h"

#include <cstdint>
#include <vector>

namespace overfill {

// The sums over pairs of an x (n_in values) and a y (n_out values). They are taken about the first data's mean, since
// K has channels that lie far from zero.
class moments {
  public:
    moments(uint32_t n_in, uint32_t n_out);

    // x is [n][n_in], y is [n][n_out].
    void add(thread_team & team, const float * x, const float * y, size_t n);

    uint64_t n() const { return n_; }
    uint32_t n_in() const { return n_in_; }
    uint32_t n_out() const { return n_out_; }
    std::vector<double> mean_x() const;
    std::vector<double> mean_y() const;

    // Bytes that an object of this size takes.
    static uint64_t n_bytes(uint32_t n_in, uint32_t n_out);

  private:
    friend class ridge_system;
    friend double relative_error(thread_team & team, const moments & data, const linear_map & map);

    void begin(const float * x, const float * y, size_t n);

    // Sums of products lie in tiles of tile_size x tile_size, so that a tile and the data it is made of stay in cache.
    // Sxx is symmetric: only tiles on and below the diagonal.
    static constexpr uint32_t tile_size = 32;
    static constexpr size_t n_rows_at_once = 128;
    double * xx_tile(size_t i, size_t j) { return &xx_[(i * (i + 1) / 2 + j) * tile_size * tile_size]; }
    double * xy_tile(size_t i, size_t j) { return &xy_[(i * n_tiles_out_ + j) * tile_size * tile_size]; }
    double xx(size_t i, size_t j) const;  // j <= i
    double xy(size_t i, size_t j) const;

    uint32_t n_in_, n_out_;
    size_t n_tiles_in_, n_tiles_out_;
    uint64_t n_ = 0;
    std::vector<double> origin_x_, origin_y_;  // what all sums are about
    std::vector<double> x_, y_, yy_;           // padded to whole tiles; yy_ by channel
    std::vector<double> xx_, xy_;
    std::vector<double> panels_;  // n_rows_at_once rows as float64, a panel of tile_size channels after the other
};

// The map that fits best. Where the sums are not positive definite, lambda grows, up to a bound; ERR_INFERENCE_FAILED
// if that does not help or the data hold values that are no finite numbers. Throws ERR_INVALID_ARGUMENT without data.
linear_map solve_ridge(thread_team & team, const moments & data, double lambda);

// Sets the bias for which the map's mean error on the data is zero.
void set_bias(linear_map & map, const moments & data);

// The map's squared error on the data, relative to that of their mean: 0 is exact, 1 no better than the mean.
double relative_error(thread_team & team, const moments & data, const linear_map & map);

}  // namespace overfill
