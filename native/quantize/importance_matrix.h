// An importance matrix: for each weight matrix of a model the mean square of every column's input, by which quantised
// types weigh the errors they make. It is llama.cpp's (tools/imatrix), and so are its files:
//
//   GGUF, as llama-imatrix and this package write it
//     general.type           "imatrix"
//     imatrix.datasets       names of the texts
//     imatrix.chunk_count    u32: samples
//     imatrix.chunk_size     u32: tokens a sample
//     <tensor>.in_sum2       f32 [n_columns, n_matrices]: sums of squares; an expert's matrix each
//     <tensor>.counts        f32 [1, n_matrices]: how many rows were summed; one for all of a tensor's matrices will do
//
//   the older one, which is read only: for each tensor its name, the number of samples, and the sums of all columns
//     scaled by that number; then the samples in all and the text's name
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace overfill {

struct importance_entry {
    std::vector<double> sums;    // [n_matrices][n_columns]
    std::vector<double> counts;  // [n_matrices], or [1] for all
};

struct importance_matrix {
    std::map<std::string, importance_entry> entries;  // by the tensor's name
    std::vector<std::string> texts;
    uint64_t n_samples = 0;
    uint32_t window = 0;  // tokens a sample; 0: not known
};

// What the quantiser takes: sums over counts, and 1 for a matrix that nothing has passed through.
std::vector<float> mean_squares(const importance_entry & entry);

// Adds what another measured on the same model, whose entries have the same sizes.
void merge(importance_matrix & into, const importance_matrix & other);

// Throws ERR_FILE_READ_FAILED, or ERR_IMPORTANCE_INVALID for a file that is none or is damaged (sizes, values that are
// negative, no numbers, or so large that quantising by them would overflow).
importance_matrix read_importance_matrix(const std::string & path);
// Written atomically. Throws ERR_FILE_WRITE_FAILED.
void write_importance_matrix(const std::string & path, const importance_matrix & measured);

}  // namespace overfill
