"""The first bytes, and the files in folders, by which `recognise` knows a format; and the way out for its users."""

NPZ = "a NumPy archive (.npz)"
PYTORCH_ZIP = "a PyTorch file (.pth, zip)"
PYTORCH_STREAM = "a PyTorch file (.pth, from before version 1.6)"
PYTORCH_TAR = "a PyTorch file (.pth, from before version 0.1.10)"
SAFETENSORS = "a safetensors file"
SHARDED = "the index of a model in several files"
HDF5 = "an HDF5 file"
MATLAB = "a MATLAB file (.mat)"

SIGNATURES = (  # (position, the bytes there, the format) of formats that weights_converter reads
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (0, b"MATLAB 5.0 MAT-file", MATLAB),
    (0, b"\x80\x02", PYTORCH_STREAM),  # a pickle, by its protocol
    (0, b"\x80\x03", PYTORCH_STREAM),
    (0, b"\x80\x04", PYTORCH_STREAM),
    (0, b"\x80\x05", PYTORCH_STREAM),
    (257, b"ustar", PYTORCH_TAR),
    (8, b"{", SAFETENSORS),
)
UNPACK = "unpack it and give the weights file in it"
PICTURE = "give a weights file here, and the picture where a photo is asked for"
EXPORT = "take the PyTorch, Keras or ONNX file that it was made from"
DOWNLOAD = "open its address in a browser and save the file itself (on GitHub and Hugging Face: the download link)"
LIMITED = "load it there and save the state_dict or the arrays by name: torch.save, safetensors or numpy.savez"

KNOWN = (  # (position, the bytes there, what the file is, the way out) of everything else
    (0, b"version https://git-lfs.github.com/spec", "a pointer of git LFS to a file, not the file itself",
     "get the file with: git lfs pull"),
    (0, b"/annex/objects/", "a pointer of git-annex to a file, not the file itself", "get it with: git annex get FILE"),
    (0, b"MATLAB 7.3 MAT-file", "a MATLAB file of version 7.3", "save it in MATLAB with -v7"),
    (0, b"\x93NUMPY", "a single NumPy array (.npy)", "save all arrays of the network by name with numpy.savez"),
    (0, b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1", "a Torch 7 file (.t7)",
     "convert it to .pth with the package torchfile, or take PyTorch's file"),
    (0, b"\x03\0\0\0\x01\0\0\0", "a Torch 7 file (.t7)", "take PyTorch's file of the same network"),
    (0, b"4\n1\n3\nV 1", "a Torch 7 file (.t7, as text)", "take PyTorch's file of the same network"),
    (4, b"TFL3", "a TensorFlow Lite model (.tflite)", EXPORT),
    (0, b"GGUF", "a GGUF file of llama.cpp", "it holds language models; " + EXPORT),
    (0, b"lmgg", "a GGML file of llama.cpp", "it holds language models; " + EXPORT),
    (0, b"tjgg", "a GGML file of llama.cpp", "it holds language models; " + EXPORT),
    (0, b"\x12\x01\0\0\0\0\0\0", "an MXNet file (.params)", "export it to ONNX with mxnet.onnx"),
    (0, b"7767517", "a network of ncnn (.param)", EXPORT),
    (0, b"\xff\xd8\xff", "a JPEG picture", PICTURE),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture", PICTURE),
    (0, b"GIF8", "a GIF picture", PICTURE),
    (0, b"II*\0", "a TIFF picture", PICTURE),
    (0, b"MM\0*", "a TIFF picture", PICTURE),
    (8, b"WEBP", "a WebP picture", PICTURE),
    (4, b"ftypavif", "an AVIF picture", PICTURE),
    (4, b"ftyphei", "a HEIC picture", PICTURE),
    (4, b"ftypmif1", "a HEIC picture", PICTURE),
    (4, b"ftyp", "a film (MP4)", "give a weights file"),
    (0, b"8BPS", "a Photoshop picture", PICTURE),
    (0, b"%PDF", "a PDF document", "give a weights file"),
    (0, b"\x1f\x8b", "compressed with gzip (.gz or .tar.gz)", UNPACK),
    (0, b"BZh", "compressed with bzip2 (.bz2)", UNPACK),
    (0, b"\xfd7zXZ\0", "compressed with xz", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed with Zstandard (.zst)", UNPACK),
    (0, b"\x04\x22\x4d\x18", "compressed with LZ4", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (0, b"SQLite format 3", "an SQLite database", "give a weights file"),
    (0, b"PAR1", "a Parquet table", "give a weights file"),
    (0, b"\x7fELF", "a program (ELF)", "give a weights file"),
    (0, b"RIFF", "a sound or a film (RIFF)", "give a weights file"),
)
CHECKPOINT_INDEX = bytes.fromhex("57fb808b247547db")  # the last bytes of TensorFlow's .index and of its older .ckpt

IN_FOLDERS = (  # (a file, what a folder with it is, the way out); {} stands for that file's path
    ("saved_model.pb", "a SavedModel of TensorFlow",
     'load it in Keras and save it with model.save("model.h5"), or convert it to ONNX with tf2onnx'),
    ("model.safetensors", "a folder", "give the file in it: {}"),
    ("diffusion_pytorch_model.safetensors", "a folder", "give the file in it: {}"),
    ("model.safetensors.index.json", "a folder", "give the file in it: {}"),
    ("pytorch_model.bin", "a folder", "give the file in it: {}"),
    ("pytorch_model.bin.index.json", "a folder", "give the file in it: {}"),
    ("data.pkl", "a PyTorch file that was unpacked", "pack the folder into a zip archive again, or take the .pth file"),
    ("Manifest.json", "a Core ML model (.mlpackage)", EXPORT),
    ("model.json", "a model of TensorFlow.js", EXPORT),
)
WEIGHTS = (".safetensors", ".pth", ".pt", ".bin", ".onnx", ".caffemodel", ".h5", ".hdf5", ".npz", ".mat", ".ckpt")
