#include "generated_models.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace overfill::test {

std::string variable(const char * name) {
    const char * value = std::getenv(name);
    return value ? value : "";
}

std::vector<std::string> generated_models() {
    const std::string folder = variable("OVERFILL_TEST_ARCHITECTURES"), only = variable("OVERFILL_TEST_ARCHITECTURE");
    std::vector<std::string> paths;
    if (folder.empty()) return paths;
    for (const auto & entry : std::filesystem::directory_iterator(folder))
        if (entry.path().filename().string().compare(0, only.size(), only) == 0) paths.push_back(entry.path().string());
    std::sort(paths.begin(), paths.end());
    return paths;
}

}  // namespace overfill::test
