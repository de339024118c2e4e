// The tiny models of every architecture that the generator (llama/generator) wrote into the build tree.
#pragma once

#include <string>
#include <vector>

namespace overfill::test {

// Of the environment; empty where it is not set.
std::string variable(const char * name);

// Paths, in order: of the folder OVERFILL_TEST_ARCHITECTURES, those whose names begin like OVERFILL_TEST_ARCHITECTURE.
std::vector<std::string> generated_models();

}  // namespace overfill::test
