// Every way in which a path can lead to nothing that can be read is an error with a code, the path and a reason.
#include "check.h"
#include "corpus.h"
#include "file_reader.h"
#include "fingerprint.h"
#include "gguf_metadata.h"
#include "importance.h"
#include "importance_matrix.h"
#include "input_file.h"
#include "legacy_importance.h"
#include "model_file.h"
#include "parent_model.h"
#include "temp_folder.h"
#include "translator_file.h"

#ifndef _WIN32
#include <sys/resource.h>
#endif

using namespace overfill;
using namespace overfill::test;

TEST("a path that leads nowhere has a code, whatever reads it") {
    const temp_folder folder;
    put_bytes(folder.file("file"), "x");
    std::filesystem::create_directory(folder.path / "folder");
    const std::string inside = folder.file("file/a"), long_name = folder.file(std::string(300, 'a').c_str());
    for (const std::string & missing : { folder.file("none"), inside, long_name }) {
        CHECK_FAILURE(error_code::model_not_found, check_model_file(missing));
        CHECK_FAILURE(error_code::model_not_found, parent_model{ missing });
        CHECK_FAILURE(error_code::model_not_found, model_fingerprint(missing));
        CHECK_FAILURE(error_code::model_not_found, read_translator(missing));
        CHECK_FAILURE(error_code::file_read_failed, read_importance(missing));
        CHECK_FAILURE(error_code::file_read_failed, check_text_file(missing));
        CHECK_FAILURE(error_code::file_read_failed, file_reader{ missing });
    }
    CHECK(CHECK_FAILURE(error_code::model_not_found, check_model_file(long_name)).find("too long") !=
          std::string::npos);
    const std::string directory = folder.file("folder");
    CHECK_FAILURE(error_code::model_not_a_file, check_model_file(directory));
    CHECK_FAILURE(error_code::file_read_failed, check_text_file(directory));
}

#ifndef _WIN32
TEST("a file that the system would not open is no damaged one") {
    const temp_folder folder;
    const std::string path = folder.file("file");
    // Sound as far as it is read here: a GGUF file without keys and tensors.
    put_bytes(path, std::string("GGUF\3\0\0\0", 8) + std::string(16, '\0'));
    CHECK_FAILURE(error_code::model_invalid, check_model_file(path));
    const std::string old = folder.file("old");
    put_bytes(old, std::string(100, 'x'));
    rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    const rlimit none = { 0, before.rlim_max };
    setrlimit(RLIMIT_NOFILE, &none);
    CHECK_FAILURE(error_code::model_load_failed, gguf_metadata{ path });
    CHECK_FAILURE(error_code::file_read_failed, gguf_metadata(path, error_code::checkpoint_invalid));
    CHECK_FAILURE(error_code::model_load_failed, check_model_file(path));
    CHECK_FAILURE(error_code::model_load_failed, is_translator_file(path));
    CHECK_FAILURE(error_code::model_load_failed, is_importance_file(path));
    CHECK_FAILURE(error_code::file_read_failed, read_importance_matrix(path));
    CHECK_FAILURE(error_code::file_read_failed, is_gguf_file(old));
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK(!is_translator_file(path));
    CHECK(!is_gguf_file(old));
}

TEST("links in a circle have a code and the system's reason") {
    const temp_folder folder;
    std::filesystem::create_symlink("circle", folder.path / "circle");
    const std::string circle = folder.file("circle");
    try {
        check_input_file(circle, model_codes);
        CHECK(false);
    } catch (const failure & error) {
        CHECK(error.code() == error_code::model_load_failed);
        CHECK_EQUAL(*error.details()[0].second.text(), circle);
        CHECK_EQUAL(error.details()[1].first, "reason");
        CHECK(!error.details()[1].second.text()->empty());
    }
    CHECK_FAILURE(error_code::file_read_failed, check_text_file(circle));
}
#endif
