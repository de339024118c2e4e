# Where llama.cpp comes from. Gives two targets:
#   llama_api        the public headers (llama.h, ggml.h, gguf.h) and the libraries
#   llama_common     libllama-common: chat templates, sampling, schemas
#   llama_internals  that and the private headers of src/, for native/llama only

if(NOT EXISTS "${OVERFILL_LLAMA_SOURCE_DIR}/include/llama.h")
  message(FATAL_ERROR "llama.cpp's source is not in ${OVERFILL_LLAMA_SOURCE_DIR}; `npm run build:native` puts it there")
endif()

# The version compiled against, for the gate at load time.
file(READ "${OVERFILL_LLAMA_SOURCE_DIR}/CMakeLists.txt" llama_cmake)
foreach(part MAJOR MINOR PATCH)
  string(REGEX MATCH "set\\(LLAMA_VERSION_${part} ([0-9]+)\\)" _ "${llama_cmake}")
  set(llama_${part} "${CMAKE_MATCH_1}")
endforeach()
set(OVERFILL_LLAMA_VERSION "${llama_MAJOR}.${llama_MINOR}.${llama_PATCH}")
message(STATUS "overfill: llama.cpp ${OVERFILL_LLAMA_VERSION} (${OVERFILL_LLAMA})")

# The commit that the libraries of the platform packages report: that of llama.cpp's tag. It cannot be read from the
# source, whose history is left out. A new version of the packages needs it changed; below it is looked for in the
# library.
set(OVERFILL_LLAMA_COMMIT "0ad4a86" CACHE STRING "the commit that the prebuilt llama.cpp reports")

add_library(llama_api INTERFACE)
target_include_directories(llama_api SYSTEM INTERFACE
  "${OVERFILL_LLAMA_SOURCE_DIR}/include"
  "${OVERFILL_LLAMA_SOURCE_DIR}/ggml/include")
target_compile_definitions(llama_api INTERFACE
  OVERFILL_LLAMA_VERSION="${OVERFILL_LLAMA_VERSION}" OVERFILL_LLAMA_COMMIT="${OVERFILL_LLAMA_COMMIT}")

add_library(llama_common INTERFACE)
target_include_directories(llama_common SYSTEM INTERFACE
  "${OVERFILL_LLAMA_SOURCE_DIR}/common"
  "${OVERFILL_LLAMA_SOURCE_DIR}/vendor")

add_library(llama_internals INTERFACE)
target_include_directories(llama_internals SYSTEM INTERFACE
  "${OVERFILL_LLAMA_SOURCE_DIR}/src"
  "${OVERFILL_LLAMA_SOURCE_DIR}/ggml/src")
target_link_libraries(llama_internals INTERFACE llama_common)

if(OVERFILL_LLAMA STREQUAL "source")
  # Static, so that the addon is one file and a sanitizer sees all of it. GGML_NATIVE would tie the build to this very
  # processor, and dies with SIGILL on virtual machines that advertise more than they allow.
  set(BUILD_SHARED_LIBS OFF CACHE BOOL "" FORCE)
  set(GGML_NATIVE OFF CACHE BOOL "" FORCE)
  set(GGML_OPENMP OFF CACHE BOOL "" FORCE)
  # Remote devices (native/rpc), over TCP alone.
  set(GGML_RPC ON CACHE BOOL "" FORCE)
  set(GGML_RPC_RDMA OFF CACHE BOOL "" FORCE)
  # The source is a release's, and calls itself so, as the version gate wants it.
  set(LLAMA_BUILD_IS_DEV OFF CACHE BOOL "" FORCE)
  set(LLAMA_BUILD_COMMON ON CACHE BOOL "" FORCE)
  set(LLAMA_BUILD_TESTS OFF CACHE BOOL "" FORCE)
  set(LLAMA_BUILD_TOOLS OFF CACHE BOOL "" FORCE)
  set(LLAMA_BUILD_EXAMPLES OFF CACHE BOOL "" FORCE)
  set(LLAMA_BUILD_SERVER OFF CACHE BOOL "" FORCE)
  set(LLAMA_BUILD_APP OFF CACHE BOOL "" FORCE)
  set(LLAMA_CURL OFF CACHE BOOL "" FORCE)
  add_subdirectory("${OVERFILL_LLAMA_SOURCE_DIR}" llama.cpp EXCLUDE_FROM_ALL)
  target_link_libraries(llama_api INTERFACE llama ggml)
  target_link_libraries(llama_common INTERFACE llama-common)
  target_compile_definitions(llama_api INTERFACE OVERFILL_LLAMA_SOURCE=1)
elseif(OVERFILL_LLAMA STREQUAL "prebuilt")
  if(NOT IS_DIRECTORY "${OVERFILL_LLAMA_LIBRARY_DIR}")
    message(FATAL_ERROR "OVERFILL_LLAMA_LIBRARY_DIR must be the folder of the platform package's libraries, "
                        "got '${OVERFILL_LLAMA_LIBRARY_DIR}'")
  endif()
  set(tag "v${OVERFILL_LLAMA_VERSION}")
  file(GLOB ggml_base "${OVERFILL_LLAMA_LIBRARY_DIR}/*ggml-base.*")
  list(GET ggml_base 0 ggml_base)
  file(STRINGS "${ggml_base}" commit REGEX "^${OVERFILL_LLAMA_COMMIT}[0-9a-f]*$" LIMIT_COUNT 1)
  if(NOT commit)
    message(FATAL_ERROR "${ggml_base} is not of llama.cpp's commit ${OVERFILL_LLAMA_COMMIT}; see OVERFILL_LLAMA_COMMIT")
  endif()
  if(WIN32)
    include(cmake/import-library.cmake)
    overfill_import_library(llama "${OVERFILL_LLAMA_LIBRARY_DIR}/llama.${tag}.dll")
    overfill_import_library(ggml "${OVERFILL_LLAMA_LIBRARY_DIR}/ggml.${tag}.dll")
    overfill_import_library(ggml-base "${OVERFILL_LLAMA_LIBRARY_DIR}/ggml-base.dll")
    overfill_import_library(llama-common "${OVERFILL_LLAMA_LIBRARY_DIR}/llama-common.dll")
    target_compile_definitions(llama_api INTERFACE LLAMA_SHARED GGML_SHARED)
    target_link_libraries(llama_common INTERFACE overfill_import_llama-common)
    target_link_libraries(llama_api INTERFACE overfill_import_llama overfill_import_ggml overfill_import_ggml-base)
  else()
    foreach(library llama-common llama.${tag} ggml.${tag} ggml-base)
      set(file "${OVERFILL_LLAMA_LIBRARY_DIR}/${CMAKE_SHARED_LIBRARY_PREFIX}${library}${CMAKE_SHARED_LIBRARY_SUFFIX}")
      if(NOT EXISTS "${file}")
        message(FATAL_ERROR "${file} is missing: the platform package is of another llama.cpp version than the headers")
      endif()
      if(library STREQUAL "llama-common")
        target_link_libraries(llama_common INTERFACE "${file}")
      else()
        target_link_libraries(llama_api INTERFACE "${file}")
      endif()
    endforeach()
  endif()
else()
  message(FATAL_ERROR "OVERFILL_LLAMA must be prebuilt or source, got '${OVERFILL_LLAMA}'")
endif()
