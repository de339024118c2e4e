# liboverfill-cuda: the fused translate kernel, a library of its own that the addon loads where it is there
# (native/handover/cuda). nvcc is called directly: enabling CUDA as a language of the project would tie all of it to the
# host compilers that nvcc accepts.
#
#   OVERFILL_CUDA=ON             builds it; the target is overfill_cuda
#   OVERFILL_CUDA_ARCHITECTURES  compute capabilities, as in 80;90; the first and the last also as PTX, for devices
#                                between and after them
option(OVERFILL_CUDA "build liboverfill-cuda with nvcc" OFF)
set(OVERFILL_CUDA_ARCHITECTURES "75;80;86;89;90;100;120" CACHE STRING "compute capabilities to build for")

if(OVERFILL_CUDA)
  find_program(OVERFILL_NVCC nvcc HINTS ENV CUDA_PATH ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES bin)
  if(NOT OVERFILL_NVCC)
    message(FATAL_ERROR "OVERFILL_CUDA=ON needs nvcc; set OVERFILL_NVCC, or put it in the PATH")
  endif()
  execute_process(COMMAND "${OVERFILL_NVCC}" --list-gpu-arch OUTPUT_VARIABLE known_architectures)
  set(code_flags "")
  foreach(architecture IN LISTS OVERFILL_CUDA_ARCHITECTURES)
    # An older nvcc does not know the newest devices: they take the PTX.
    if(known_architectures MATCHES "compute_${architecture}[^0-9]")
      list(APPEND code_flags -gencode "arch=compute_${architecture},code=sm_${architecture}")
      if(NOT oldest)
        set(oldest ${architecture})
      endif()
      set(newest ${architecture})
    else()
      message(STATUS "overfill: this nvcc does not know sm_${architecture}")
    endif()
  endforeach()
  if(NOT newest)
    message(FATAL_ERROR "nvcc knows none of ${OVERFILL_CUDA_ARCHITECTURES}")
  endif()
  list(APPEND code_flags -gencode "arch=compute_${newest},code=compute_${newest}")
  if(NOT oldest STREQUAL newest)
    list(APPEND code_flags -gencode "arch=compute_${oldest},code=compute_${oldest}")
  endif()

  set(handover "${CMAKE_SOURCE_DIR}/native/handover")
  set(cuda_library "${CMAKE_BINARY_DIR}/${CMAKE_SHARED_LIBRARY_PREFIX}overfill-cuda${CMAKE_SHARED_LIBRARY_SUFFIX}")
  if(MSVC)
    set(host_flags -Xcompiler /MD)
  else()
    set(host_flags -Xcompiler -fPIC,-fvisibility=hidden,-Wall)
  endif()
  add_custom_command(OUTPUT "${cuda_library}"
    COMMAND "${OVERFILL_NVCC}" -std=c++17 -O3 -shared -cudart static --threads 2 ${code_flags} ${host_flags}
            "-I${handover}" "${handover}/cuda/overfill_cuda.cu" -o "${cuda_library}"
    DEPENDS "${handover}/cuda/overfill_cuda.cu" "${handover}/cuda/overfill_cuda.h"
            "${handover}/kernel/kernel_tables.h" "${handover}/kernel/kernel_platform.h"
            "${handover}/kernel/kernel_values.h" "${handover}/kernel/translate_kernel.h"
    COMMENT "nvcc: liboverfill-cuda for ${OVERFILL_CUDA_ARCHITECTURES}"
    VERBATIM)
  add_custom_target(overfill_cuda ALL DEPENDS "${cuda_library}")
endif()
