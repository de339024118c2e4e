// How everything that must be whole is written: what it respects of the places where it is written to, and what it
// leaves where it is not finished.
#include "atomic_file.h"
#include "check.h"
#include "output_paths.h"
#include "staged_files.h"
#include "temp_folder.h"

#ifndef _WIN32
#include <csignal>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace overfill;
using namespace overfill::test;

namespace fs = std::filesystem;

static void write_file(const std::string & path, const std::string & text) {
    atomic_file file(path);
    file.write(text.data(), text.size());
    file.commit();
}

static std::string refusal(const std::string & path) {
    return CHECK_FAILURE(error_code::file_write_failed, write_file(path, "new"));
}

TEST("a file that was not finished leaves nothing, and what was there stays") {
    const temp_folder folder;
    put_bytes(folder.file("a"), "old");
    {
        atomic_file file(folder.file("a"));
        file.write("new", 3);
        file.finish();
        CHECK_EQUAL(bytes_of(folder.file("a")), "old");
        CHECK_EQUAL(bytes_of(file.temporary_name()), "new");
    }
    CHECK_EQUAL(bytes_of(folder.file("a")), "old");
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
    write_file(folder.file("a"), "new");
    CHECK_EQUAL(bytes_of(folder.file("a")), "new");
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
}

TEST("a name may be as long as the file system allows") {
    const temp_folder folder;
    const std::string longest(255, 'a'), longer(256, 'a');
    write_file(folder.file(longest.c_str()), "x");
    CHECK_EQUAL(bytes_of(folder.file(longest.c_str())), "x");
    CHECK(refusal(folder.file(longer.c_str())).find("cannot be written: ") != std::string::npos);
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
}

TEST("a folder, a missing folder and a file in place of one are refused with the system's reason") {
    const temp_folder folder;
    put_bytes(folder.file("file"), "x");
    CHECK(refusal(folder.path.string()).find("it is a folder") != std::string::npos);
    CHECK(refusal(folder.file("none/a")).find("No such file") != std::string::npos);
    CHECK(refusal(folder.file("file/a")).find("Not a directory") != std::string::npos);
    try {
        write_file(folder.file("none/a"), "new");
    } catch (const failure & error) {
        CHECK_EQUAL(error.details().size(), (size_t) 2);
        CHECK_EQUAL(*error.details()[0].second.text(), folder.file("none/a"));
        CHECK_EQUAL(error.details()[1].first, "reason");
    }
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
}

#ifndef _WIN32

static mode_t mode_of(const std::string & path) {
    struct stat facts = {};
    CHECK(stat(path.c_str(), &facts) == 0);
    return facts.st_mode & 07777;
}

TEST("a symbolic link stays, and the file that it names is written") {
    const temp_folder folder;
    fs::create_directory(folder.path / "store");
    put_bytes(folder.file("store/real"), "old");
    fs::create_symlink("store/real", folder.path / "link");
    fs::create_symlink("link", folder.path / "link of link");
    fs::create_symlink("store/new", folder.path / "dangling");
    write_file(folder.file("link of link"), "new");
    CHECK(fs::is_symlink(folder.path / "link") && fs::is_symlink(folder.path / "link of link"));
    CHECK_EQUAL(bytes_of(folder.file("store/real")), "new");
    write_file(folder.file("dangling"), "made");
    CHECK(fs::is_symlink(folder.path / "dangling"));
    CHECK_EQUAL(bytes_of(folder.file("store/new")), "made");
    fs::create_symlink("circle", folder.path / "circle");
    CHECK(refusal(folder.file("circle")).find("symbolic links") != std::string::npos);
}

TEST("a file that is replaced hands its mode on, and a new one has the usual mode") {
    const temp_folder folder;
    for (const mode_t mode : { 0664, 0600, 0755, 0222 }) {
        put_bytes(folder.file("a"), "old");
        CHECK(chmod(folder.file("a").c_str(), mode) == 0);
        write_file(folder.file("a"), "new");
        CHECK_EQUAL(mode_of(folder.file("a")), mode);
        fs::remove(folder.file("a"));
    }
    const mode_t mask = umask(0);
    umask(mask);
    write_file(folder.file("b"), "new");
    CHECK_EQUAL(mode_of(folder.file("b")), (mode_t) (0666 & ~mask));
}

TEST("a read-only file is refused, by the superuser as well") {
    const temp_folder folder;
    put_bytes(folder.file("a"), "precious");
    CHECK(chmod(folder.file("a").c_str(), 0444) == 0);
    CHECK(refusal(folder.file("a")).find("it is read-only") != std::string::npos);
    CHECK_FAILURE(error_code::file_write_failed, write_text(folder.file("a"), "new"));
    CHECK_FAILURE(error_code::file_write_failed, check_output("out", folder.file("a"), {}));
    CHECK_EQUAL(bytes_of(folder.file("a")), "precious");
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
}

TEST("devices, pipes and open files are never replaced: a text goes into them, what must be whole is refused") {
    const temp_folder folder;
    const std::string pipe = folder.file("pipe");
    CHECK(mkfifo(pipe.c_str(), 0600) == 0);
    CHECK(refusal(pipe).find("it is a pipe") != std::string::npos);
    CHECK(refusal("/dev/null").find("it is a device") != std::string::npos);
    CHECK(refusal("/dev/stdout").find("cannot be written: it is ") != std::string::npos);
    CHECK_FAILURE(error_code::file_write_failed, check_output("out", pipe, {}));
    check_output("log", pipe, {}, /*is_text*/ true);

    const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
    write_text(pipe, "a text");
    char text[16] = {};
    CHECK_EQUAL(read(reader, text, sizeof text), (ssize_t) 6);
    CHECK_EQUAL(std::string(text), "a text");
    close(reader);
    write_text("/dev/null", "a text");
    CHECK(fs::is_fifo(pipe) && fs::is_character_file("/dev/null"));

    // A regular file that is open already: what was written to it before stays.
    const int open_file = open(folder.file("open").c_str(), O_RDWR | O_CREAT | O_APPEND, 0600);
    CHECK_EQUAL(::write(open_file, "first ", 6), (ssize_t) 6);
    const std::string by_number = "/dev/fd/" + std::to_string(open_file);
    refusal(by_number);
    write_text(by_number, "second");
    CHECK_EQUAL(bytes_of(folder.file("open")), "first second");
    close(open_file);
}

TEST("what a killed process has left goes with the next file, and what a living one writes stays") {
    const temp_folder folder;
    int ready[2];
    CHECK(pipe(ready) == 0);
    const pid_t child = fork();
    if (child == 0) {
        const staged_files files({ folder.file("a"), folder.file("b") });
        const atomic_file other(folder.file("c"));
        (void) !::write(ready[1], "x", 1);
        pause();
        _exit(0);
    }
    char byte = 0;
    CHECK_EQUAL(read(ready[0], &byte, 1), (ssize_t) 1);
    close(ready[0]);
    close(ready[1]);
    CHECK_EQUAL(folder.n_files(), (size_t) 2);
    write_file(folder.file("mine"), "x");
    CHECK_EQUAL(folder.n_files(), (size_t) 3);

    kill(child, SIGKILL);
    int status = 0;
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    for (const auto & entry : fs::directory_iterator(folder.path))
        CHECK(entry.path().filename() == "mine" || entry.path().filename().string()[0] == '.');
    CHECK_EQUAL(folder.n_files(), (size_t) 3);
    // One that this process has open while it looks is not taken either.
    atomic_file open_one(folder.file("open"));
    write_file(folder.file("next"), "x");
    open_one.commit();
    CHECK(fs::exists(folder.file("open")) && fs::exists(folder.file("next")));
}

TEST("only folders of that very name are taken for leftovers") {
    const temp_folder folder;
    const std::string digits = "0123456789abcdef";
    for (const std::string & name :
         std::initializer_list<std::string>{ ".overfill-" + digits + ".part.txt", ".overfill-" + digits + "0.part",
                                             ".overfill-0123456789ABCDEF.part", "overfill-" + digits + ".part" })
        fs::create_directory(folder.path / name);
    put_bytes(folder.file((".overfill-" + digits + ".part").c_str()), "a file of that name");
    write_file(folder.file("a"), "x");
    CHECK_EQUAL(folder.n_files(), (size_t) 6);
    // Without a lock it is only taken when it is empty: somebody may be about to lock it.
    fs::remove(folder.path / (".overfill-" + digits + ".part"));
    fs::create_directory(folder.path / (".overfill-" + digits + ".part"));
    put_bytes(folder.file((".overfill-" + digits + ".part/a").c_str()), "x");
    write_file(folder.file("a"), "x");
    CHECK_EQUAL(folder.n_files(), (size_t) 6);
    fs::remove(folder.path / (".overfill-" + digits + ".part") / "a");
    write_file(folder.file("a"), "x");
    CHECK_EQUAL(folder.n_files(), (size_t) 5);
}

#endif
