# The Node-API addon: native/binding, the only room with <napi.h> on its path.
file(GLOB binding_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/native/binding/*.cpp")
# Not of a plain build: the native tests, which share the tree, do not need it.
add_library(overfill SHARED EXCLUDE_FROM_ALL ${binding_sources} ${CMAKE_JS_SRC})
set_target_properties(overfill PROPERTIES PREFIX "" SUFFIX ".node")
target_include_directories(overfill SYSTEM PRIVATE ${CMAKE_JS_INC} "${OVERFILL_NODE_ADDON_API_DIR}")
target_include_directories(overfill PRIVATE "${CMAKE_SOURCE_DIR}/native/binding")
# SWALLOW_UNTHROWABLE: an exception that an ending environment refuses must not end the process (entry.h).
# NO_EXTERNAL_BUFFERS: Electron forbids ArrayBuffers over external memory; their use becomes a compile error.
target_compile_definitions(overfill PRIVATE NAPI_VERSION=9 NODE_ADDON_API_CPP_EXCEPTIONS
  NODE_ADDON_API_CPP_EXCEPTIONS_ALL NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED)
target_link_libraries(overfill PRIVATE overfill_engine overfill_prune overfill_quantize overfill_train ${CMAKE_JS_LIB})
# No rpath: the loader maps the platform package's libraries first, wherever the package manager has put them.
set_target_properties(overfill PROPERTIES SKIP_BUILD_RPATH ON)
if(NOT MSVC)
  target_compile_options(overfill PRIVATE -Wall -Wextra)
endif()
# clang links a sanitizer into programs. Node's is not ours: the library is to be loaded before it (npm run test:sanitized).
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND (OVERFILL_SANITIZE MATCHES "address" OR OVERFILL_FUZZ))
  target_link_options(overfill PRIVATE -shared-libsan)
endif()
if(MSVC AND CMAKE_JS_NODELIB_DEF AND CMAKE_JS_NODELIB_TARGET)
  execute_process(COMMAND ${CMAKE_AR} /def:${CMAKE_JS_NODELIB_DEF} /out:${CMAKE_JS_NODELIB_TARGET} ${CMAKE_STATIC_LINKER_FLAGS})
endif()
