# ggml's RPC back end, whose sources llama.cpp carries and the platform packages do not build: a loadable library of its
# own, which the addon loads where a pair names remote devices (native/rpc). Its sources are compiled as they are. It needs
# ggml-base only, so it fits the platform package's libraries; with OVERFILL_LLAMA=source ggml has it linked in instead
# (GGML_RPC in cmake/llama.cmake).
if(OVERFILL_LLAMA STREQUAL "prebuilt")
  set(ggml_rpc "${OVERFILL_LLAMA_SOURCE_DIR}/ggml/src/ggml-rpc")
  add_library(overfill_ggml_rpc MODULE EXCLUDE_FROM_ALL "${ggml_rpc}/ggml-rpc.cpp" "${ggml_rpc}/transport.cpp")
  set_target_properties(overfill_ggml_rpc PROPERTIES
    OUTPUT_NAME overfill-ggml-rpc
    PREFIX "${CMAKE_SHARED_LIBRARY_PREFIX}"
    SUFFIX "${CMAKE_SHARED_LIBRARY_SUFFIX}"
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/$<0:>"
    # No rpath: libggml-base is in the process when this is loaded.
    SKIP_BUILD_RPATH ON)
  target_include_directories(overfill_ggml_rpc SYSTEM PRIVATE
    "${OVERFILL_LLAMA_SOURCE_DIR}/ggml/include" "${OVERFILL_LLAMA_SOURCE_DIR}/ggml/src")
  target_compile_definitions(overfill_ggml_rpc PRIVATE
    GGML_BACKEND_DL GGML_BACKEND_BUILD GGML_BACKEND_SHARED GGML_SHARED)
  target_link_libraries(overfill_ggml_rpc PRIVATE Threads::Threads)
  if(WIN32)
    target_link_libraries(overfill_ggml_rpc PRIVATE overfill_import_ggml-base ws2_32)
  else()
    target_link_libraries(overfill_ggml_rpc PRIVATE
      "${OVERFILL_LLAMA_LIBRARY_DIR}/${CMAKE_SHARED_LIBRARY_PREFIX}ggml-base${CMAKE_SHARED_LIBRARY_SUFFIX}")
  endif()
endif()
