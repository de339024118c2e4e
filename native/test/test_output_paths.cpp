// What a job may not write to is found before it begins, and the look leaves nothing behind.
#include "check.h"
#include "output_paths.h"
#include "temp_folder.h"

using namespace overfill;
using namespace overfill::test;

TEST("a file that is read or written already cannot be written, by whatever name") {
    const temp_folder folder;
    const std::string model = folder.file("model.gguf");
    put_bytes(model, "a model");
    std::filesystem::create_directory(folder.path / "sub");
    std::filesystem::create_symlink(model, folder.path / "link.gguf");
    std::filesystem::create_hard_link(model, folder.path / "hard.gguf");
    for (const char * name : { "model.gguf", "./model.gguf", "sub/../model.gguf", "link.gguf", "hard.gguf" }) {
        const std::string message =
            CHECK_FAILURE(error_code::invalid_argument, check_output("out", folder.file(name), { "", model }));
        CHECK(message.rfind("options.out: ", 0) == 0);
    }
    // Another output that is not there yet.
    CHECK_FAILURE(error_code::invalid_argument,
                  check_output("saveImportance", folder.file("sub/../new.gguf"), { folder.file("new.gguf") }));
    CHECK_EQUAL(bytes_of(model), "a model");
    CHECK_EQUAL(folder.n_files(), (size_t) 4);
}

TEST("a file that can be written is not touched by the look") {
    const temp_folder folder;
    const std::string old = folder.file("old.gguf");
    put_bytes(old, "old");
    check_output("out", old, { folder.file("other.gguf") });
    check_output("out", folder.file("new.gguf"), {});
    CHECK_EQUAL(bytes_of(old), "old");
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
    CHECK_FAILURE(error_code::file_write_failed, check_output("out", folder.file("none/new.gguf"), {}));
    CHECK_FAILURE(error_code::file_write_failed, check_output("out", folder.path.string(), {}));
}
